"""Files that name the class of each picture of a folder, as CSV or JSON.

    file,label              {"cats/a.png": "cat",          {"labels": [["cats/a.png", "cat"],
    cats/a.png,cat           "b.png": "dog"}                           ["b.png", "dog"]]}
    b.png,dog

Files are relative to the folder. The line `file,label` of a CSV may be absent. The third form is
that of StyleGAN's dataset.json.
"""

import csv
import io
import json
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

from imggen import files
from imggen.errors import UserError


def read(path: pathlib.Path) -> dict[str, str]:
    """Returns the label of each file.

    Raises:
      UserError: the file cannot be read or has none of the three forms.
    """
    try:
        text = path.read_text(encoding='utf-8-sig')
        if path.suffix.lower() == '.json':
            return _labels(_of_json(json.loads(text)))
        rows = list(csv.reader(io.StringIO(text, newline=''), strict=True))
        return _labels(rows[1:] if rows and rows[0] == ['file', 'label'] else filter(None, rows))
    except OSError as error:
        raise UserError(
            f'{path} cannot be read ({error.strerror}): set config.data.labels to none, folders or '
            'a file of labels.'
        ) from error
    except (ValueError, TypeError, RecursionError, csv.Error) as error:
        raise UserError(
            f'{path} is no file of labels ({error}): write lines of FILE,LABEL, or a JSON object '
            'of labels by file.'
        ) from error


def write(path: pathlib.Path, labels: Mapping[str, str | int]) -> None:
    """Writes the label of each file as CSV, atomically.

    Raises:
      UserError: the name of a file is not text.
    """
    table = io.StringIO()
    csv.writer(table, lineterminator='\n').writerows([('file', 'label'), *labels.items()])
    try:
        files.write_text(path, table.getvalue())
    except UnicodeEncodeError as error:
        name = error.object[error.start - 40 : error.end + 40]
        raise UserError(f'the name of the file at {name!a} is not text: rename it.') from error


def names(labels: Iterable[str]) -> tuple[str, ...]:
    """Returns the names of the classes in the order of their numbers: sorted, 10 after 9."""
    found = set(labels)
    is_number = all(label.isdecimal() for label in found)
    return tuple(sorted(found, key=(lambda label: (int(label), label)) if is_number else None))


def _of_json(content: Any) -> Iterable[tuple[Any, Any]]:
    if isinstance(content, dict) and isinstance(content.get('labels'), list):
        return content['labels']
    if not isinstance(content, dict):
        raise TypeError('it holds no object')
    return content.items()


def _labels(rows: Iterable[Iterable[Any]]) -> dict[str, str]:
    labels = {}
    for row in rows:
        if len(row := list(row)) != 2:
            raise ValueError(f'an entry has {len(row)} parts, not 2')
        file, label = row
        if not isinstance(file, str) or not isinstance(label, (str, int)) or label == '':
            raise TypeError(f'the label of {file!r} is {label!r}')
        labels[pathlib.PurePosixPath(file.strip()).as_posix()] = str(label).strip()
    return labels
