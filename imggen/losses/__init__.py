"""Losses: pure functions, each with the equation of its paper."""
