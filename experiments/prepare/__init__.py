"""Makes data sets: python -m experiments.prepare NAME."""
