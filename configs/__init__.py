"""Configs, one a file: `get_config` returns what to run. `common` is what they share."""
