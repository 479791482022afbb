"""Commands. Each file is run as `python -m experiments.NAME`."""
