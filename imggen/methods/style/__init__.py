"""Style transfer: networks, objective, tiles, initial images, optimizers."""
