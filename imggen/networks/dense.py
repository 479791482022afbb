"""A multilayer perceptron that classifies: the simplest network that knows an image's class."""

import jax
from flax import linen as nn


class DenseClassifier(nn.Module):
    """Images [n, height, width, channels] in [-1, 1] -> (logits, features).

    The features are the last hidden layer, [n, hidden[-1]].

    Attributes:
      classes: how many.
      hidden: units of each hidden layer.
      dropout: rate before the last layer.
    """

    classes: int = 10
    hidden: tuple[int, ...] = (128,)
    dropout: float = 0.0

    @nn.compact
    def __call__(self, images: jax.Array, *, train: bool) -> tuple[jax.Array, jax.Array]:
        x = images.reshape(images.shape[0], -1)
        for width in self.hidden:
            x = nn.relu(nn.Dense(width)(x))
        dropped = nn.Dropout(self.dropout, deterministic=not train)(x)
        return nn.Dense(self.classes)(dropped), x
