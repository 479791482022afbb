"""Gradient ascent: an upper bound for searches, because it uses the classifier's gradient.

On pixels it is Adam with jitter, total variation and L2 as priors (Nguyen et al. 2015; Mahendran
& Vedaldi 2015). On Fourier coefficients with random views it is feature visualization (Olah et
al. 2017). On the latents of a generator it is plug-and-play generation (Nguyen et al.
2017): the L2 prior is then the density of the latents, and the noise makes it a sampler. A step
evaluates the classifier twice, before and after the update, and both evaluations count. The cost
of the gradient itself is not counted.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import struct

from imggen import keys, options
from imggen.losses.style import total_variation
from imggen.method import Method, Phase
from imggen.methods.evolution import problem as problems
from imggen.methods.evolution import search, tally, views
from imggen.methods.evolution.objectives import OBJECTIVES, log_odds
from imggen.methods.evolution.tally import Tally


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of `config.method`.

    Attributes:
      num_steps: number of updates.
      problem: options of evolution.problem.Config.
      chains_per_class: number of independent images for each class.
      objective: one of OBJECTIVES.
      learning_rate: learning rate of Adam.
      jitter_pixels: for the gradient, the image is shifted cyclically by up to this many pixels.
      views: options of views.Views: for the gradient, the classifier sees a random view of the
        image; {} for the image itself.
      total_variation: weight of losses.style.total_variation.
      l2: weight of half the squared norm of the genome.
      noise: standard deviation of the noise that is added to the genome after each update.
    """

    num_steps: int
    problem: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    chains_per_class: int = 1
    objective: str = 'log_odds'
    learning_rate: float = 0.05
    jitter_pixels: int = 0
    views: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    total_variation: float = 0.0
    l2: float = 0.0
    noise: float = 0.0


@struct.dataclass
class State:
    """What a checkpoint holds. Every leaf leads with the chain axis.

    Attributes:
      genome: the genome of each chain, [n, size].
      opt_state: the state of Adam.
      odds: log-odds of the genome, [n].
      target: the class that each chain pursues, int32 [n].
      tally: evaluations, and when each threshold was passed.
    """

    genome: jax.Array
    opt_state: Any
    odds: jax.Array
    target: jax.Array
    tally: Tally


def make(config: Mapping[str, Any], *, axis_name: str | None = None) -> Method:
    """Builds the method from the options of `Config`.

    Raises:
      UserError: an option has an unknown value.
    """
    config = options.build(Config, config, where='config.method')
    problem = problems.make(config.problem)
    optimizer = optax.adam(config.learning_rate)

    def init(key, frozen, batch):
        del batch
        target = problem.targets(config.chains_per_class)
        genome = jax.vmap(problem.encoding.init)(keys.per_image(key, len(target)))
        odds = log_odds(problem.genome_logits(frozen, genome), target)
        return State(
            genome=genome,
            opt_state=jax.vmap(optimizer.init)(genome),
            odds=odds,
            target=target,
            tally=tally.count(tally.start(target.shape), odds[:, None]),
        )

    return search.make_method(
        problem,
        init,
        Phase('ascend', config.num_steps, _step(config, problem, optimizer, axis_name)),
        genomes=lambda state: state.genome,
        num_images=len(problem.labels) * config.chains_per_class,
    )


def _step(config: Config, problem: problems.Problem, optimizer, axis_name):
    """Returns the step, which is one update of Adam for every chain."""
    loss_fn = _loss(config, problem)
    limit = problem.encoding.limit

    def step(key, state, frozen, batch):
        del batch
        chain_keys = keys.per_image(key, len(state.target), axis_name=axis_name)
        view_key, noise_key = jax.vmap(jax.random.split)(chain_keys).T
        gradient = problem.in_parts(
            lambda part: jax.grad(loss_fn)(*part, frozen), (state.genome, view_key, state.target)
        )
        updates, opt_state = jax.vmap(optimizer.update)(gradient, state.opt_state)
        genome = state.genome + updates
        if config.noise:
            draw = jax.vmap(lambda key: jax.random.normal(key, genome.shape[1:]))
            genome = genome + config.noise * draw(noise_key)
        genome = jnp.clip(genome, -limit, limit)
        odds = log_odds(problem.genome_logits(frozen, genome), state.target)
        # The shifted image of the gradient is not the chain's image, so it passes no threshold.
        evaluated = jnp.stack([jnp.full_like(odds, -jnp.inf), odds], -1)
        counted = tally.count(state.tally, evaluated)
        metrics = search.metrics(
            odds,
            counted,
            axis_name=axis_name,
            log_odds=jnp.mean(odds),
            gradient=jnp.mean(jnp.linalg.norm(gradient, axis=-1)),
        )
        return State(genome, opt_state, odds, state.target, counted), metrics

    return step


def _loss(config: Config, problem: problems.Problem):
    """Returns (genomes [n, size], keys [n], targets [n], frozen) -> the sum of the losses."""
    objective = options.choose(OBJECTIVES, config.objective, where='config.method.objective')
    view = None
    if config.views:
        view = options.build(views.Views, config.views, where='config.method.views')

    def loss_fn(genome, view_keys, target, frozen):
        # -(log p(class | image) + log p(image) + log p(genome)), up to constants.
        images = problem.images(frozen, genome)
        seen = jitter(view_keys, images, config.jitter_pixels)
        if view:
            seen = view(view_keys, seen)
        values = objective(problem.logits(frozen, seen), target)
        prior = config.total_variation * total_variation(images)
        prior += config.l2 / 2.0 * jnp.sum(jnp.square(genome), axis=-1)
        return jnp.sum(prior - values)

    return loss_fn


def jitter(image_keys: jax.Array, images: jax.Array, pixels: int) -> jax.Array:
    """Shifts each image [n, height, width, channels] cyclically by up to `pixels`."""
    if not pixels:
        return images

    def shift(key, image):
        return jnp.roll(image, jax.random.randint(key, (2,), -pixels, pixels + 1), axis=(0, 1))

    return jax.vmap(shift)(image_keys, images)
