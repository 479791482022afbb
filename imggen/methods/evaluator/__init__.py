"""Methods that train an evaluator on real images, freeze it, and train a generator against it."""
