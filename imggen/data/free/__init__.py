"""Free data sets: their declarations, and how their files become pictures."""
