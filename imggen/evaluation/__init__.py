"""What loads runs and data sets and measures them. Pure metrics of arrays: `imggen.metrics`."""
