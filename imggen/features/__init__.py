"""Frozen feature extractors by name.

A module is imported, and its weights are read, only when `make` is called for it.
"""

import importlib

from imggen.errors import UserError
from imggen.features.extractor import Extractor

# Modules of this package, each with a function `make() -> Extractor`.
EXTRACTORS = ('fashion_classifier', 'inception', 'lite0', 'pixels', 'vgg16')


def make(name: str) -> Extractor:
    """Makes an extractor.

    Raises:
      UserError: the name is unknown, or the weights are neither installed nor can be fetched.
    """
    if name not in EXTRACTORS:
        raise UserError(f'There is no extractor {name!r}; choose {", ".join(EXTRACTORS)}.')
    return importlib.import_module(f'imggen.features.{name}').make()
