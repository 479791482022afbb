"""Loaders: one source of images a file, each returns a `Dataset`."""
