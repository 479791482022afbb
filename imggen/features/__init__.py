"""Frozen feature extractors, by name.

Each is imported, and its weights are read, only when it is asked for.
"""

from imggen.errors import UserError
from imggen.features.extractor import Extractor


def _inception() -> Extractor:
    from imggen.features import inception

    return inception.make()


def _fashion_classifier() -> Extractor:
    from imggen.features import fashion_classifier

    return fashion_classifier.make()


def _lite0() -> Extractor:
    from imggen.features import lite0

    return lite0.make()


def _pixels() -> Extractor:
    from imggen.features import pixels

    return pixels.make()


def _vgg16() -> Extractor:
    from imggen.features import vgg16

    return vgg16.make()


EXTRACTORS = {
    'inception': _inception,
    'fashion_classifier': _fashion_classifier,
    'lite0': _lite0,
    'pixels': _pixels,
    'vgg16': _vgg16,
}


def make(name: str) -> Extractor:
    """Makes an extractor.

    Raises:
      UserError: there is none of that name, or its weights are not to be had.
    """
    if name not in EXTRACTORS:
        raise UserError(f'There is no extractor {name!r}; choose {", ".join(EXTRACTORS)}.')
    return EXTRACTORS[name]()
