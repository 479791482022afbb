"""Adversarial games with an autoencoder as the energy of an image."""
