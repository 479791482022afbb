"""Evolved images: encodings, classifiers, searches, and counts of their evaluations."""
