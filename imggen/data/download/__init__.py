"""Clients of package registries: download, unpack and check, without root."""
