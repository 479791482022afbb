"""Random changes of the images of a data set and of the input of a discriminator."""
