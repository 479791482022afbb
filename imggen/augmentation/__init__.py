"""Random changes of images, of a data set and of the input of a discriminator."""
