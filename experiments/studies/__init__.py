"""Commands behind published tables and figures."""
