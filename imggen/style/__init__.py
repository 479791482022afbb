"""The parts of style transfer: networks, targets, tiles, initial images, optimisers."""
