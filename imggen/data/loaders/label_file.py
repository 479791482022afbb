"""Files that name the class of each picture of a folder, as CSV or JSON.

    file,label              {"cats/a.png": "cat",          {"labels": [["cats/a.png", "cat"],
    cats/a.png,cat           "b.png": "dog"}                           ["b.png", "dog"]]}
    b.png,dog

Files are relative to the folder. The line `file,label` of a CSV may be absent. The third form is
that of StyleGAN's dataset.json.
"""

import csv
import io
import itertools
import json
import pathlib
import re
import stat
from collections.abc import Iterable
from typing import Any

from imggen.errors import UserError

_MOST_DIGITS = 100  # Of a label that is a number.
_PLAIN = re.compile(r'(?:[^/.][^/]*/)*[^/.][^/]*')  # A path is made of others, which takes long.


class _Pairs(list):
    """The entries of a JSON object, of which a dict would keep the last of each name."""


def read(path: pathlib.Path) -> dict[str, str]:
    """Returns the label of each file.

    Raises:
      UserError: the file cannot be read or has none of the three forms.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # A pipe would wait for ever.
            raise UserError(f'{path} is no regular file: name a .csv or .json file of labels.')
        text = path.read_text(encoding='utf-8-sig')
        if path.suffix.lower() == '.json':
            return _labels(_of_json(json.loads(text, object_pairs_hook=_Pairs)))
        rows = filter(None, csv.reader(io.StringIO(text, newline=''), strict=True))
        first = [row for row in itertools.islice(rows, 1) if row != ['file', 'label']]
        return _labels(itertools.chain(first, rows))
    except OSError as error:
        raise UserError(
            f'{path} cannot be read ({error.strerror}): set config.data.labels to none, folders or '
            'a file of labels.'
        ) from error
    except (ValueError, TypeError, RecursionError, csv.Error) as error:
        raise UserError(
            f'{path} is no file of labels ({error}): write lines of FILE,LABEL with a comma, or a '
            'JSON object of labels by file.'
        ) from error


def names(labels: Iterable[str]) -> tuple[str, ...]:
    """Returns the names of the classes in the order of their numbers: sorted, 10 after 9."""
    found = set(labels)
    is_number = all(label.isdecimal() and len(label) <= _MOST_DIGITS for label in found)
    return tuple(sorted(found, key=(lambda label: (int(label), label)) if is_number else None))


def _of_json(content: Any) -> Iterable[tuple[Any, Any]]:
    if not isinstance(content, _Pairs):
        raise TypeError('it holds no object')
    listed = dict(content).get('labels')
    return content if isinstance(listed, _Pairs) or not isinstance(listed, list) else listed


def _labels(rows: Iterable[Iterable[Any]]) -> dict[str, str]:
    labels = {}
    for row in rows:
        if len(row := list(row)) != 2:
            raise ValueError(f'the entry {row!r:.80} has {len(row)} parts, not 2')
        file, label = row
        if not isinstance(file, str) or not isinstance(label, (str, int)):
            raise TypeError(f'the label of {file!r:.80} is {label!r:.80}')
        file, label = file.strip(), str(label).strip()
        if not _PLAIN.fullmatch(file):
            file = pathlib.PurePosixPath(file).as_posix()
        if not label or labels.setdefault(file, label) != label:
            own = [label] if not label else [labels[file], label]
            raise ValueError(f'the label of {file!r:.80} is {" and ".join(map(repr, own))}')
    return labels
