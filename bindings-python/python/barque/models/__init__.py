"""Containers, images, networks and volumes as docker-py's objects."""
