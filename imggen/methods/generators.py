"""Methods that train a generator of images from latents."""

from collections.abc import Mapping
from typing import Any

from imggen import options
from imggen.method import Method
from imggen.methods import vae
from imggen.methods.adversarial import gan, growing_gan
from imggen.methods.energy_based import began, ebgan
from imggen.methods.evaluator import evaluator, imle, moments

GENERATORS = {
    'began': began.make,
    'ebgan': ebgan.make,
    'evaluator': evaluator.make,
    'gan': gan.make,
    'growing_gan': growing_gan.make,
    'imle': imle.make,
    'moments': moments.make,
    'vae': vae.make,
}


def make(config: Mapping[str, Any]) -> Method:
    """Builds the generator that a config's `method` section names.

    Args:
      config: `name`, one of GENERATORS; the other entries are the method's options.

    Raises:
      UserError: the name or an option is unknown.
    """
    section = dict(config)
    factory = options.choose(GENERATORS, section.pop('name', ''), where='config.method.name')
    return factory(section)
