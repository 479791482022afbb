"""Metrics as pure functions of arrays. `imggen.evaluation` loads the runs and the data for them."""
