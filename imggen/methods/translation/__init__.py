"""From image to image: pix2pix and super-resolution."""
