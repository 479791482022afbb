"""Downloads of free data sets."""
