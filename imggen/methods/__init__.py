"""Methods: one algorithm a file, each a `make(config, *, axis_name=None) -> Method`."""

from collections.abc import Mapping
from typing import Any

from imggen import options
from imggen.method import Method
from imggen.methods import classifier, gan

METHODS = {
    'classifier': classifier.make,
    'gan': gan.make,
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
