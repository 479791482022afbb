"""Methods: one algorithm per file, each a function `make(config, *, axis_name=None) -> Method`."""

from collections.abc import Mapping
from typing import Any

from imggen import options
from imggen.method import Method
from imggen.methods import classifier, flow_matching, generators, latent_flow, pixel_average
from imggen.methods.evolution import evolution_strategy, gradient_ascent, hill_climb, map_elites
from imggen.methods.style import neighbors, style_transfer
from imggen.methods.translation import bridge, colorize, pix2pix, super_resolution

METHODS = {
    **generators.GENERATORS,
    'bridge': bridge.make,
    'classifier': classifier.make,
    'colorize': colorize.make,
    'evolution_strategy': evolution_strategy.make,
    'flow_matching': flow_matching.make,
    'gradient_ascent': gradient_ascent.make,
    'hill_climb': hill_climb.make,
    'latent_flow': latent_flow.make,
    'map_elites': map_elites.make,
    'pix2pix': pix2pix.make,
    'pixel_average': pixel_average.make,
    'style': style_transfer.make,
    'style_neighbours': neighbors.make,
    'super_resolution': super_resolution.make,
}


def make(config: Mapping[str, Any], *, axis_name: str | None = None) -> Method:
    """Builds the method that a config's `method` section names.

    Args:
      config: `name`, one of METHODS; the other entries are the method's options.
      axis_name: the pmap axis that the step runs under; None under jit.

    Raises:
      UserError: the name or an option is unknown.
    """
    section = dict(config)
    factory = options.choose(METHODS, section.pop('name', ''), where='config.method.name')
    return factory(section, axis_name=axis_name)
