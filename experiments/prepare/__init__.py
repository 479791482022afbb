"""Commands that prepare data sets: python -m experiments.prepare.faces and its siblings."""
