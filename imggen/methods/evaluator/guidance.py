"""Generator losses from a frozen evaluator, and a measure of the diversity of a batch.

Every guidance takes an evaluator (`evaluator.networks.Evaluator`), its parameters, generated
images [n, height, width, channels], references [n or 1, height, width, channels] and a
threshold. It returns a scalar loss; under pmap this is the device's share, whose mean over
devices is the loss.
"""

import jax
import jax.numpy as jnp

from imggen.losses import energy, reconstruction


def threshold(evaluator, params, fake, references, limit, *, axis_name: str | None = None):
    """Returns the mean of max(0, E(g) - t), which is 0 once every image is good enough."""
    del references, axis_name
    return jnp.mean(energy.excess(evaluator.energy(params, fake), limit))


def reference(evaluator, params, fake, references, limit, *, axis_name: str | None = None):
    """Returns the mean of (A(g) - r)^2: the autoencoder A should turn g into the reference r."""
    del limit, axis_name
    targets = jnp.broadcast_to(references, fake.shape)
    return jnp.mean(reconstruction.squared(evaluator.output(params, fake), targets))


def features(evaluator, params, fake, references, limit, *, axis_name: str | None = None):
    """Returns the sum over levels l of the mean of |f_l(g) - f_l(r)| over all pairs (g, r)."""
    del limit
    levels = zip(
        evaluator.features(params, fake), evaluator.features(params, references), strict=True
    )
    return sum(energy.mean_distance(*level, axis_name=axis_name) for level in levels)


GUIDANCE = {'threshold': threshold, 'reference': reference, 'features': features}


def diversity(evaluator, params, fake, *, axis_name: str | None = None) -> jax.Array:
    """Returns the sum over levels l of the mean of |f_l(g) - f_l(g')| over pairs of a batch."""
    levels = evaluator.features(params, fake)
    return sum(energy.mean_pairwise_distance(level, axis_name=axis_name) for level in levels)
