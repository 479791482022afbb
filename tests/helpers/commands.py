"""Commands in the process of a test."""

import contextlib
import importlib
import sys
from collections.abc import Iterator
from types import ModuleType

from absl import flags


@contextlib.contextmanager
def imported(name: str) -> Iterator[ModuleType]:
    """Imports a command whose flags must not meet those of other commands that tests import."""
    values = flags.FLAGS
    # A flag that was put back has no module any more.
    owners = {flag: values.find_module_defining_flag(flag) for flag in values}
    taken = {
        flag: values[flag]
        for flag, owner in owners.items()
        if owner is None or owner.startswith(('experiments.', 'benchmarks.'))
    }
    for flag in taken:
        delattr(values, flag)
    try:
        yield importlib.import_module(name)
    finally:
        sys.modules.pop(name, None)
        for flag in [*values.flags_by_module_dict().get(name, ())]:
            delattr(values, flag.name)
        for flag, value in taken.items():
            values[flag] = value


@contextlib.contextmanager
def flags_given(*arguments: str) -> Iterator[None]:
    """Parses the arguments of a command, and forgets them at the end."""
    try:
        flags.FLAGS(['command', *arguments])
        yield
    finally:
        flags.FLAGS.unparse_flags()
        flags.FLAGS.mark_as_parsed()  # As they are for all tests (conftest.py).
