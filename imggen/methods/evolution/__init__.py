"""Evolved images: encodings, classifiers, searches and how they are counted."""
