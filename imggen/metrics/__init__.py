"""Measures of sets of images (`evaluation`) and of pairs of images (`paired`)."""
