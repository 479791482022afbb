"""Labels and the classes of a method belong together, which is checked before anything runs."""

from collections.abc import Mapping
from typing import Any

from imggen.data.source import Source
from imggen.errors import UserError
from imggen.method import Method


def check(config: Mapping[str, Any], method: Method, source: Source) -> None:
    """Checks that a method has a class for each label, and labels for its classes.

    Raises:
      UserError: config.data.labels gives labels that a method which makes images does
        not take, or there are more labels than classes, whose embeddings or targets would not
        exist.
    """
    count, num_classes = len(source.class_names), method.num_classes
    if method.num_targets is not None and count > method.num_targets:
        raise UserError(
            f'config.method.network.num_classes is {method.num_targets}, but the data set has '
            f'{_classes(count)}: set it to {count}.'
        )
    labels = config['data'].get('labels', 'none')
    asked_for = labels != 'none' and method.output is not None
    if asked_for and num_classes is None:
        raise UserError(
            f'config.data.labels={labels!r} gives {_classes(count)}, but the method takes none: '
            f"set config.method.num_classes={count} if it has this option, or labels to 'none'."
        )
    if num_classes is not None and (count > num_classes or (asked_for and count < num_classes)):
        raise UserError(
            f'config.method.num_classes is {num_classes}, but the data set has {_classes(count)}: '
            f'set it to {count}.'
        )


def _classes(count: int) -> str:
    return f'{count} class' if count == 1 else f'{count} classes'
