"""Style transfer: networks, the objective, tiles, initial images and optimizers."""
