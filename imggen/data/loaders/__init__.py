"""Loaders: one source of images in each file. Every loader returns a `Dataset`."""
