"""Builds dataclasses from config sections, so that an option that nothing reads is an error."""

import dataclasses
import difflib
import inspect
import math
from collections.abc import Callable, Hashable, Mapping
from typing import Any

from ml_collections import ConfigDict

from imggen.errors import UserError

# The types that a value may have, by the type of the option's default. For a required option, it
# is the declared type.
_FITTING = {
    bool: (bool,),
    int: (int,),
    float: (float, int),
    str: (str,),
    tuple: (tuple, list),  # JSON turns tuples into lists.
}

_LARGEST = 2**31 - 1  # Of an integer on a device.


def build(kind, section: Mapping, *, where: str, **given: Any):
    """Returns `kind(**section, **given)`.

    Args:
      kind: a dataclass; linen modules are dataclasses.
      where: the name of the section in messages, for example 'config.method'.
      given: values that follow from other options.

    Raises:
      UserError: `section` is no mapping; or names an option that `kind` does not have, another
        value than the one given, a value whose type differs from that of the default, or a
        required option that is missing.
    """
    if not hasattr(section, 'keys'):
        raise UserError(f'{where}={section!r} holds no options: give a dictionary.')
    for name, value in given.items():
        if name in section and _of_json(section[name]) != _of_json(value):
            raise UserError(f'{where}.{name} follows from other options: leave it out.')
    section = {**section, **given}
    fields = [field for field in dataclasses.fields(kind) if field.init]
    names = [field.name for field in fields if field.name not in ('parent', 'name')]
    for key in section:
        if key not in names:
            raise UserError(f'{where}.{key} is not an option: {suggestion(key, names)}')
    required = [
        field.name
        for field in fields
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]
    for name in required:
        if name not in section:
            raise UserError(f'{where}.{name} is missing: set it in the config.')
    for field in fields:
        expected = type(field.default) if field.name not in required else field.type
        if field.name in section and expected in _FITTING:
            value = section[field.name]
            if type(value) not in _FITTING[expected]:
                raise UserError(
                    f'{where}.{field.name}={value!r} is not {_article(expected)}: correct it.'
                )
    check_values(where, section)
    return kind(**section)


def resolve(config: ConfigDict) -> dict[str, Any]:
    """Returns a config as nested dicts, with the values of the options that follow from others.

    Raises:
      UserError: an option is 0 where another one is divided by it.
    """
    try:
        return config.to_dict()
    except ZeroDivisionError as error:
        raise UserError(
            'a number of the config is 0 where it divides, such as config.data.batch_size: set it '
            'to 1 or more.'
        ) from error


def check_values(where: str, section: Mapping) -> None:
    """Checks what holds for options of one name in every method.

    Numbers are finite and integers have 32 bits, learning rates are not negative, and numbers of
    features positive.

    Raises:
      UserError: names the first option that breaks a rule.
    """
    for name, value in section.items():
        option = f'{where}.{name}={value!r}'
        if isinstance(value, float) and not math.isfinite(value):
            raise UserError(f'{option} is not a finite number: give another.')
        if type(value) is int and abs(value) > _LARGEST:
            raise UserError(f'{option} is too large: give at most {_LARGEST:,}.')
        if name.endswith('learning_rate') and isinstance(value, (int, float)) and value < 0:
            raise UserError(f'{option} is negative: give a rate of 0 or more.')
        if name == 'features' and isinstance(value, (int, tuple, list)):
            widths = value if isinstance(value, (tuple, list)) else [value]
            numbers = [width for width in widths if isinstance(width, int)]
            if not widths or any(number < 1 for number in numbers):
                raise UserError(f'{option} leaves a layer without features: give 1 or more.')


def check_keywords(where: str, section: Mapping, function: Callable) -> None:
    """Checks options against the keyword-only parameters of a function.

    `where` is the name of the section in messages.

    Raises:
      UserError: names an option that the function does not take, or a required one that is
        missing.
    """
    parameters = {
        name: parameter
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY
    }
    for name in section:
        if name not in parameters:
            known = suggestion(name, [*parameters]) if parameters else 'there are none.'
            raise UserError(f'{where}.{name} is not an option: {known}')
    for name, parameter in parameters.items():
        if parameter.default is parameter.empty and name not in section:
            raise UserError(f'{where}.{name} is missing: set it in the config.')
    check_values(where, section)


def choose(choices: Mapping, name: str, *, where: str):
    """Returns `choices[name]`.

    `where` is the name of the option in messages, for example 'config.method.loss'.

    Raises:
      UserError: there is no such choice; the message suggests one or lists all.
    """
    if not isinstance(name, Hashable) or name not in choices:
        hint = suggestion(str(name), list(choices))
        raise UserError(f'{where}={name!r} is not a valid choice: {hint}')
    return choices[name]


def suggestion(name: str, known: list[str]) -> str:
    """Returns 'did you mean ...?' if a known name is close, else 'there are ...' with all names."""
    close = difflib.get_close_matches(name, known, n=1)
    return f'did you mean {close[0]!r}?' if close else f'there are {", ".join(sorted(known))}.'


def _of_json(value: Any) -> Any:
    """Returns a value as config.json holds it, which turns tuples into lists."""
    return list(value) if isinstance(value, tuple) else value


def _article(kind: type) -> str:
    return f'{"an" if kind is int else "a"} {kind.__name__}'
