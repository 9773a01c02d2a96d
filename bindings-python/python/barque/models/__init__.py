"""Containers, images and volumes as docker-py's objects."""
