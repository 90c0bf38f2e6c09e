"""Finds and loads plugins, and makes transports and spools of URLs."""
