"""Engines behind `ports.Vectors`."""
