"""Convolutions whose form is chosen by platform and shape."""
