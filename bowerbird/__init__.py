"""Bowerbird: pictures go in; the pictures that belong with them come out."""

__version__ = "0.1.0"
