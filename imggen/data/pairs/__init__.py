"""Pairs of an input and a target image."""
