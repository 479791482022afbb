"""Evolved images: what is searched, by which judge it is scored, and how the search is counted."""
