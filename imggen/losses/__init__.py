"""Losses: pure functions, the paper's equation above each."""
