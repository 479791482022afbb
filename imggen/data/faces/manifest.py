"""The manifest of a set of portraits: manifest.json, and a line per portrait in manifest.csv.

File names that are not UTF-8 keep their bytes in the CSV. JSON is ASCII and holds the escapes of
`os.fsdecode`.
"""

import csv
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

JSON, CSV = 'manifest.json', 'manifest.csv'


def write(
    folder: pathlib.Path,
    *,
    settings: Mapping[str, Any],
    portraits: Sequence[Mapping[str, Any]],
    skipped: Sequence[Mapping[str, Any]],
) -> None:
    """Writes both files into a folder.

    Args:
      folder: an existing folder.
      settings: how the portraits were made.
      portraits: a record of each portrait, ready for JSON; at least one.
      skipped: a record of each photograph without a portrait: its file, the reason, and facts
        about the picture, which are None if it cannot be read.
    """
    content = {'settings': settings, 'portraits': portraits, 'skipped': skipped}
    (folder / JSON).write_text(json.dumps(content, indent=1) + '\n')
    lines = [_flat(record) for record in portraits]
    names = list(dict.fromkeys(name for line in lines for name in line))
    with open(folder / CSV, 'w', newline='', encoding='utf-8', errors='surrogateescape') as file:
        writer = csv.DictWriter(file, names, restval='')
        writer.writeheader()
        writer.writerows(lines)


def _flat(record: Mapping[str, Any], *, prefix: str = '') -> dict[str, Any]:
    """Flattens nested facts: {'box.top': ..., 'picture.width': ...}."""
    line = {}
    for name, value in record.items():
        if isinstance(value, Mapping):
            line |= _flat(value, prefix=f'{prefix}{name}.')
        else:
            line[prefix + name] = json.dumps(value) if isinstance(value, list) else value
    return line
