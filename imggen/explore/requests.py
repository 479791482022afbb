"""Checks what a browser sends, before anything is done with it."""

import json
from collections.abc import Mapping
from typing import Any

from imggen.errors import UserError
from imggen.inference import recipe
from imggen.inference.recipe import Recipe


def object_of(body: bytes) -> dict[str, Any]:
    """Returns the JSON object of a body.

    Raises:
      UserError: the body is something else.
    """
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise UserError('the request is not a JSON object.')
    return value


def whole(values: Mapping[str, Any], name: str, low: int, high: int, default: int) -> int:
    """Returns a whole number in [low, high].

    Raises:
      UserError: the value is something else.
    """
    value = values.get(name, default)
    if type(value) is not int or not low <= value <= high:
        raise UserError(f'{name}={value!r:.40} is not a whole number from {low} to {high}.')
    return value


def recipes(values: Mapping[str, Any], name: str, low: int, high: int) -> list[Recipe]:
    """Returns a list of `low` to `high` recipes.

    Raises:
      UserError: the value is something else.
    """
    value = values.get(name)
    if not isinstance(value, list) or not low <= len(value) <= high:
        raise UserError(f'{name} is not a list of {low} to {high} recipes.')
    return [recipe.from_json(one) for one in value]


def shares(values: Mapping[str, Any], name: str) -> list[float]:
    """Returns one or two numbers in [0, 1].

    Raises:
      UserError: the value is something else.
    """
    value = values.get(name)
    if (
        not isinstance(value, list)
        or len(value) not in (1, 2)
        or not all(type(one) in (int, float) and 0 <= one <= 1 for one in value)
    ):
        raise UserError(f'{name} is not a list of one or two numbers from 0 to 1.')
    return value
