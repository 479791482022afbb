"""Small classifiers, whose last features also serve to measure generators."""

import jax
import jax.numpy as jnp
from flax import linen as nn

from imggen.networks import blocks
from imggen.networks.conv.layers import Conv
from imggen.networks.layers import BatchNorm, Dense


class Classifier(nn.Module):
    """Images [n, height, width, channels] in [-1, 1] -> (logits, features).

    A stage has some 3x3 convolutions with batch normalization and ReLU; max pooling halves the
    size between stages. The features are the spatial mean of the last stage, [n, stages[-1]].

    Attributes:
      num_classes: number of classes.
      stages: number of features of each stage.
      convolutions: number of convolutions per stage.
      dropout: probability of dropout before the last layer.
      axis_name: the pmap axis over which batch statistics are computed.
    """

    num_classes: int = 10
    stages: tuple[int, ...] = (32, 32, 64)
    convolutions: int = 2
    dropout: float = 0.0
    axis_name: str | None = None

    @nn.compact
    def __call__(self, images: jax.Array, *, train: bool) -> tuple[jax.Array, jax.Array]:
        x = images
        for stage, width in enumerate(self.stages):
            if stage:
                x = blocks.max_pool(x)
            for _ in range(self.convolutions):
                x = Conv(width, (3, 3), padding=1, use_bias=False)(x)
                x = BatchNorm(
                    use_running_average=not train, momentum=0.9, axis_name=self.axis_name
                )(x)
                x = nn.relu(x)
        features = jnp.mean(x, axis=(1, 2))
        x = nn.Dropout(self.dropout, deterministic=not train)(features)
        return Dense(self.num_classes)(x), features


class DenseClassifier(nn.Module):
    """Images [n, height, width, channels] in [-1, 1] -> (logits, features).

    The features are the last hidden layer, [n, hidden[-1]].

    Attributes:
      num_classes: number of classes.
      hidden: number of units of each hidden layer.
      dropout: probability of dropout before the last layer.
    """

    num_classes: int = 10
    hidden: tuple[int, ...] = (128,)
    dropout: float = 0.0

    @nn.compact
    def __call__(self, images: jax.Array, *, train: bool) -> tuple[jax.Array, jax.Array]:
        x = images.reshape(images.shape[0], -1)
        for width in self.hidden:
            x = nn.relu(Dense(width)(x))
        dropped = nn.Dropout(self.dropout, deterministic=not train)(x)
        return Dense(self.num_classes)(dropped), x
