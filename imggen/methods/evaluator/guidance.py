"""What an evaluator that stands still tells a generator, and the diversity of its pictures.

Every guidance maps a evaluator (`networks.evaluators.Evaluator`), its parameters, generated
pictures [n, height, width, channels], references [n or 1, height, width, channels] and
a threshold to a loss: a scalar, and under pmap this device's share.
"""

import jax
import jax.numpy as jnp

from imggen.losses import energy, reconstruction


def threshold(evaluator, params, fake, references, limit, *, axis_name: str | None = None):
    """Mean of max(0, E(g) - t): each picture is to be good enough."""
    del references, axis_name
    return jnp.mean(energy.excess(evaluator.energy(params, fake), limit))


def reference(evaluator, params, fake, references, limit, *, axis_name: str | None = None):
    """Mean of (A(g) - r)^2: what the autoencoder A makes of a picture is to be its reference."""
    del limit, axis_name
    targets = jnp.broadcast_to(references, fake.shape)
    return jnp.mean(reconstruction.squared(evaluator.output(params, fake), targets))


def features(evaluator, params, fake, references, limit, *, axis_name: str | None = None):
    """Sum over levels l of the mean distance |f_l(g) - f_l(r)|, over all pairs."""
    del limit
    levels = zip(
        evaluator.features(params, fake), evaluator.features(params, references), strict=True
    )
    return sum(energy.mean_distance(*level, axis_name=axis_name) for level in levels)


GUIDANCE = {'threshold': threshold, 'reference': reference, 'features': features}


def diversity(evaluator, params, fake, *, axis_name: str | None = None) -> jax.Array:
    """Sum over levels l of the mean distance |f_l(g) - f_l(g')|, over pairs of one batch."""
    levels = evaluator.features(params, fake)
    return sum(energy.mean_pairwise_distance(level, axis_name=axis_name) for level in levels)
