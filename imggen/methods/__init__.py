"""Methods: one algorithm a file, each a `make(config, *, axis_name=None) -> Method`."""

from collections.abc import Mapping
from typing import Any

from imggen import options
from imggen.method import Method
from imggen.methods import (
    average_face,
    boundary_equilibrium,
    classifier,
    energy_gan,
    evaluator,
    evolution_strategy,
    flow_matching,
    gan,
    gradient_ascent,
    growing_gan,
    hill_climb,
    map_elites,
    pix2pix,
    style,
    super_resolution,
    variational,
)

METHODS = {
    'average_face': average_face.make,
    'boundary_equilibrium': boundary_equilibrium.make,
    'classifier': classifier.make,
    'energy_gan': energy_gan.make,
    'evaluator': evaluator.make,
    'variational': variational.make,
    'evolution_strategy': evolution_strategy.make,
    'flow_matching': flow_matching.make,
    'gan': gan.make,
    'gradient_ascent': gradient_ascent.make,
    'growing_gan': growing_gan.make,
    'hill_climb': hill_climb.make,
    'map_elites': map_elites.make,
    'pix2pix': pix2pix.make,
    'style': style.make,
    'super_resolution': super_resolution.make,
}


def make(config: Mapping[str, Any], *, axis_name: str | None = None) -> Method:
    """Builds the method that a config's `method` section names.

    Args:
      config: `name`, one of METHODS; the rest are the method's options.
      axis_name: the pmap axis that the step runs under; None under jit.

    Raises:
      UserError: an unknown name or option.
    """
    section = dict(config)
    factory = options.choose(METHODS, section.pop('name', ''), where='config.method.name')
    return factory(section, axis_name=axis_name)
