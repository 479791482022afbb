"""Config sections become dataclasses, so that an option nobody reads is an error."""

import dataclasses
import difflib
import inspect
from collections.abc import Callable, Mapping

from imggen.errors import UserError

# The types that a value may have, by the type of its default; the declared one without.
_FITTING = {
    bool: (bool,),
    int: (int,),
    float: (float, int),
    str: (str,),
    tuple: (tuple, list),  # As JSON gives it back.
}


def build(kind, section: Mapping, *, where: str):
    """Returns `kind(**section)`.

    Args:
      kind: a dataclass (a linen module is one) without required fields beyond `section`.
      section: options by name.
      where: how the section is called in messages, for example 'config.method'.

    Raises:
      UserError: names an option that `kind` does not have, a value of another type than its
        default, or a required option that is missing.
    """
    fields = [field for field in dataclasses.fields(kind) if field.init]
    names = [field.name for field in fields if field.name not in ('parent', 'name')]
    for key in section:
        if key not in names:
            raise UserError(f'{where}.{key} is no option: {suggestion(key, names)}.')
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
                name = expected.__name__
                raise UserError(f'{where}.{field.name}={value!r} is no {name}: correct it.')
    return kind(**section)


def check_keywords(where: str, section: Mapping, function: Callable) -> None:
    """Compares options with the keyword-only parameters of a function.

    Raises:
      UserError: names an option that the function does not take, or a required one
        that is missing.
    """
    parameters = {
        name: parameter
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY
    }
    for name in section:
        if name not in parameters:
            known = suggestion(name, [*parameters]) if parameters else 'there are none'
            raise UserError(f'{where}.{name} is no option: {known}.')
    for name, parameter in parameters.items():
        if parameter.default is parameter.empty and name not in section:
            raise UserError(f'{where}.{name} is missing: set it in the config.')


def choose(choices: Mapping, name: str, *, where: str):
    """Returns `choices[name]`; raises UserError that lists the choices."""
    if name not in choices:
        raise UserError(f'{where}={name!r} is no choice: {suggestion(str(name), list(choices))}.')
    return choices[name]


def suggestion(name: str, known: list[str]) -> str:
    """Returns 'did you mean ...' or the list of what there is."""
    close = difflib.get_close_matches(name, known, n=1)
    return f'did you mean {close[0]!r}' if close else f'there are {", ".join(sorted(known))}'
