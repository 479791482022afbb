"""Many runs from one config: points, plan, launchers, table."""
