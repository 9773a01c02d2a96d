"""Containers and images as docker-py's objects."""
