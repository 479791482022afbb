"""Free data sets, fetched by package name."""
