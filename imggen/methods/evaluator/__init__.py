"""A frozen evaluator teaches a generator."""
