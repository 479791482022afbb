"""Random changes of images: of data sets, and of what a discriminator sees."""
