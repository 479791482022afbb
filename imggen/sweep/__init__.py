"""Many runs from one config: points, a plan, launchers and a table."""
