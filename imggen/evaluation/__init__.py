"""Evaluation of trained runs and of folders of images: loads data, samples, and measures."""
