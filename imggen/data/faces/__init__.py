"""Faces cut from photographs."""
