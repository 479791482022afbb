"""Writes and reads what a run leaves on disk."""
