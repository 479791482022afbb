"""The points of a sweep: axes become points, and a point becomes flags and the name of a run.

A point is a dict of overrides, {'method.loss': 'hinge', 'seed': 0}. `sweep`, `product`, `zip` and
`chain` take and return lists of points, so they nest. A config file may define its own ablation
with them:

  def get_hyper(h):
      losses = h.sweep('method.loss', ['nonsaturating', 'hinge'])
      return h.product([losses, h.sweep('seed', range(3))])
"""

import ast
import copy
import hashlib
import itertools
import json
import math
import re
import types
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ml_collections import ConfigDict

from imggen import options
from imggen.errors import UserError
from imggen.options import suggestion

Point = dict[str, Any]  # Overrides by the full name of the option.

SEED = 'seed'
ALONE = 'base'  # The name of a run without overrides.
_MOST_RUNS = 10_000
_MAX_NAME = 200  # Characters; file systems allow 255.
_NAME = re.compile('[A-Za-z0-9._+=,~-]+')


def sweep(name: str, values: Iterable[Any]) -> list[Point]:
    """Returns one point for each value."""
    return [{name: value} for value in values]


def product(parts: Iterable[Sequence[Point]]) -> list[Point]:
    """Returns every combination; the last part changes fastest."""
    parts = list(parts)
    _check_count(math.prod(map(len, parts)))
    return [_merge(combination) for combination in itertools.product(*parts)]


def zipped(parts: Iterable[Sequence[Point]]) -> list[Point]:
    """Returns the first points of all parts merged, then the second points, and so on."""
    parts = list(parts)
    if len({len(part) for part in parts}) > 1:
        lengths = ', '.join(f'{"+".join(part[0]) or "?"}: {len(part)}' for part in parts if part)
        raise UserError(f'zipped axes differ in length ({lengths}): give each as many values.')
    return [_merge(points) for points in zip(*parts, strict=True)]


def chain(parts: Iterable[Sequence[Point]]) -> list[Point]:
    """Returns the points of all parts, one part after the other."""
    return list(itertools.chain(*parts))


def without(points: Iterable[Point], names: Iterable[str]) -> list[Point]:
    """Removes options from the points, and then points that repeat an earlier one."""
    names, kept = set(names), []
    for point in points:
        rest = {name: value for name, value in point.items() if name not in names}
        if rest not in kept:
            kept.append(rest)
    return kept


HYPER = types.SimpleNamespace(sweep=sweep, product=product, zip=zipped, chain=chain)


def parse_axis(text: str, config: ConfigDict) -> list[Point]:
    """Reads 'method.loss=hinge,relativistic' or 'seed=0..4' (both ends are included).

    Commas inside brackets and quotes do not separate. Every value gets the type that the option
    has in `config`.

    Raises:
      UserError: the config has no such option, or there are no values of its type.
    """
    name, equals, values = text.partition('=')
    if not equals or not values:
        raise UserError(f'the axis {text!r} has no values: write name=value,value or name=0..4.')
    kind = kind_of(name, config)
    bounds = re.fullmatch(r'(-?[0-9]{1,400})\.\.(-?[0-9]{1,400})', values)
    if kind is int and bounds:
        first, last = map(int, bounds.groups())
        if first > last:
            raise UserError(f'the axis {text!r} is empty: write {name}={last}..{first}.')
        _check_count(last + 1 - first)
        return sweep(name, range(first, last + 1))
    return sweep(name, [_parse(value, kind, name) for value in _split(values)])


def check(points: Iterable[Point], config: ConfigDict) -> list[Point]:
    """Returns the points with values of the config's types, without repetitions.

    Raises:
      UserError: an option is not in the config, or a value has another type.
    """
    checked = []
    for point in points:
        typed = {
            name: _convert(value, kind_of(name, config), name) for name, value in point.items()
        }
        if typed not in checked:
            checked.append(typed)
    if not checked:
        raise UserError('the sweep has no runs: give --axis name=value,value or get_hyper(h).')
    return checked


def override(config: ConfigDict, point: Point) -> dict[str, Any]:
    """Returns the whole config of one run with the types of JSON (tuples become lists)."""
    config = copy.deepcopy(config)  # ConfigDict(config) would share the references.
    config.update_from_flattened_dict(point)
    return json.loads(json.dumps(options.resolve(config)))


def flag(name: str, value: Any) -> str:
    """Returns '--config.method.loss=hinge', which is parsed to the same value."""
    return f'--config.{name}={value if isinstance(value, str) else repr(value)}'


def run_name(point: Point, names: Sequence[str]) -> str:
    """Names a run by its overrides: 'loss=hinge,seed=0'.

    The name is a valid folder on every system: it consists of ASCII letters, digits and
    '._+-=,~'. Values that had to be altered and names that had to be cut end with the first digits
    of a hash, so that two points never share a name.

    Args:
      point: the overrides of the run.
      names: all options of the sweep; a section is left out where the rest of a name is unique.
    """
    names = sorted(names, key=lambda name: name == SEED)  # The seed last.
    short = _short_names(names)
    parts = [f'{short[name]}={_label(point[name])}' for name in names if name in point]
    name = ','.join(parts) or ALONE
    return name if len(name) <= _MAX_NAME else _tagged(name[: _MAX_NAME - 20], name)


def is_run_name(name: str) -> bool:
    """Returns whether `run_name` could have made this name: no path, not hidden, not too long."""
    fits = len(name) <= _MAX_NAME and not name.startswith('.')
    return fits and _NAME.fullmatch(name) is not None


def kind_of(name: str, config: ConfigDict) -> type:
    """Returns the type of an option that a sweep may set.

    Raises:
      UserError: the config has no such option, or a sweep cannot set it.
    """
    section, *rest = config, *name.split('.')
    for part in rest[:-1]:
        section = section[part] if isinstance(section, ConfigDict) and part in section else None
    if not isinstance(section, ConfigDict) or rest[-1] not in section:
        known = [key for key, _ in _options(config)]
        raise UserError(
            f'the config has no {name!r}: {suggestion(name, known)} An option that it leaves at '
            f'its default becomes an axis by --config.{name}=VALUE.'
        )
    kind = section.get_type(rest[-1])
    if kind not in (bool, int, float, str, tuple):
        raise UserError(
            f'{name} cannot be an axis: it is a {kind.__name__}, not a bool, int, float, str '
            'or tuple.'
        )
    return kind


def freeze(value: Any) -> Any:
    """Turns lists into tuples, as configs hold them."""
    return tuple(map(freeze, value)) if isinstance(value, list | tuple) else value


def _merge(points: Iterable[Point]) -> Point:
    merged = {}
    for point in points:
        for name in point:
            if name in merged:
                raise UserError(f'{name} is on two axes: give it once.')
        merged |= point
    return merged


def _check_count(count: int) -> None:
    if count > _MOST_RUNS:
        raise UserError(
            f'the axes ask for {count:,} runs and a sweep has at most {_MOST_RUNS:,}: give fewer '
            'values.'
        )


def _options(config: Mapping, prefix: str = '') -> Iterable[tuple[str, Any]]:
    for key, value in config.items():
        if isinstance(value, ConfigDict):
            yield from _options(value, f'{prefix}{key}.')
        else:
            yield f'{prefix}{key}', value


def _split(text: str) -> list[str]:
    """Splits at commas outside brackets and quotes."""
    if text.count('"') % 2 or text.count("'") % 2:
        return text.split(',')
    token = r"""(?:\([^()]*\)|\[[^\[\]]*\]|"[^"]*"|'[^']*'|[^,])*"""
    return [match[1] for match in re.finditer(rf'(?s)(?:^|,)({token})', text)]


def _parse(text: str, kind: type, name: str) -> Any:
    """Reads one value of an axis as the flag --config.NAME=VALUE would."""
    text = text.strip()
    if kind is str:
        quoted = re.fullmatch(r"""(?s)"([^"]*)"|'([^']*)'""", text)
        return _convert((quoted[1] or quoted[2] or '') if quoted else text, kind, name)
    literal = {'true': True, 'false': False}.get(text.lower(), text) if kind is bool else text
    if literal is text:
        try:
            literal = ast.literal_eval(text)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            raise UserError(
                f'{name}={text} is not of type {kind.__name__}: correct the axis.'
            ) from None
    return _convert(literal, kind, name)


def _convert(value: Any, kind: type, name: str) -> Any:
    if kind is float and type(value) is int:
        value = float(value)
    if kind is tuple:
        value = freeze(value)
    if type(value) is not kind or (kind is str and '\0' in value):
        raise UserError(f'{name}={value!r} is not of type {kind.__name__}: correct the axis.')
    return value


def _short_names(names: Sequence[str]) -> dict[str, str]:
    """Removes the sections from names that stay distinct without them."""
    last = [name.rpartition('.')[2] for name in names]
    return {
        name: short if last.count(short) == 1 else name
        for name, short in zip(names, last, strict=True)
    }


def _label(value: Any) -> str:
    if isinstance(value, tuple) and value and all(type(item) in (int, float) for item in value):
        return 'x'.join(map(str, value))
    text = str(value)
    safe = re.sub(r'[^A-Za-z0-9._+-]+', '-', text)[:60]
    return text if safe == text and text else _tagged(safe, text)


def _tagged(shown: str, whole: str) -> str:
    digest = hashlib.sha256(whole.encode('utf-8', 'surrogatepass')).hexdigest()
    return f'{shown}~{digest[:8]}'
