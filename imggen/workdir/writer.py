"""What a run leaves on disk: config.json, run.json, metrics.jsonl, samples/.

Only process 0 writes. Whatever a reader may open while the run goes on is
written whole: to another name first, then renamed.
"""

import datetime
import importlib.metadata
import json
import pathlib
import platform
import subprocess
from collections.abc import Mapping
from typing import Any

import jax

from imggen import devices, images
from imggen.errors import UserError
from imggen.workdir.reader import flatten

# These sections say how a run is watched, not what it computes; they may change on resuming.
_WATCHING = ('run',)
_VERSIONED = ('jax', 'jaxlib', 'flax', 'optax', 'orbax-checkpoint', 'numpy', 'imggen')


class Writer:
    """The workdir of one run.

    Args:
      workdir: its folder; made if missing.
      config: the whole config as nested dicts.
      command: the command line that made the run.
      active: whether this process writes.
      tensorboard: whether to write TensorBoard event files too.

    Raises:
      UserError: the folder holds another config's run; names the differing options.
    """

    def __init__(
        self,
        workdir: str | pathlib.Path,
        config: Mapping[str, Any],
        *,
        command: str,
        active: bool = True,
        tensorboard: bool = False,
    ):
        self.workdir = pathlib.Path(workdir)
        self._active = active
        self._refuse_other_config(config)
        self._info = self._read_json('run.json') or {}
        self._board = _tensorboard(self.workdir) if tensorboard and active else None
        if not active:
            return
        try:
            (self.workdir / 'samples').mkdir(parents=True, exist_ok=True)
            self._write_json('config.json', config)
        except OSError as error:
            raise UserError(
                f'--workdir={self.workdir} cannot be written to ({error.strerror}): '
                'take another folder or make room.'
            ) from error
        self._info.update(
            command=command,
            revision=revision(),
            versions=_versions(),
            hardware=devices.hardware(),
            platform=jax.devices()[0].platform,
            devices=jax.device_count(),
            sessions=self._info.get('sessions', 0) + 1,
            started=self._info.get('started', _now()),
            seconds=self._info.get('seconds', 0.0),
        )

    @property
    def info(self) -> Mapping[str, Any]:
        """What run.json holds."""
        return self._info

    def resume_at(self, step: int) -> None:
        """Drops what was recorded past `step`: those steps run again, to the same values."""
        records = self._read_records()
        kept = [record for record in records if record['step'] <= step]
        self._info['seconds'] = kept[-1].get('seconds', 0.0) if kept else 0.0
        if self._active and (len(kept) < len(records) or not self._ends_well()):
            lines = ''.join(json.dumps(record) + '\n' for record in kept)
            self._write_text('metrics.jsonl', lines)

    def scalars(self, step: int, phase: str, values: Mapping[str, float]) -> None:
        """Appends one record to metrics.jsonl."""
        if not self._active:
            return
        record = {'step': step, 'phase': phase, **values}
        with self._reporting(), open(self.workdir / 'metrics.jsonl', 'a') as file:
            file.write(json.dumps(record) + '\n')
        if self._board:
            for name, value in values.items():
                self._board.add_scalar(f'{phase}/{name}', value, step)

    def status(self, status: str, **values) -> None:
        """Updates run.json: 'running', 'finished', 'stopped' or 'failed', and what goes with it."""
        self._info.update(status=status, updated=_now(), **values)
        if self._active:
            with self._reporting():
                self._write_json('run.json', self._info)

    def sample(self, name: str, sheet) -> None:
        """Writes a sheet of samples, uint8 [height, width, channels], as samples/`name`.png."""
        if self._active:
            with self._reporting():
                images.write_png(self.workdir / 'samples' / f'{name}.png', sheet)

    def result(self, step: int, name: str, picture) -> None:
        """Writes a finished picture, uint8, as results/`name`.png, and results/`name`/`step`.png.

        The first is always the newest; the others are the frames of an animation.
        """
        if self._active:
            with self._reporting():
                folder = self.workdir / 'results'
                images.write_png(folder / name / f'{step:06d}.png', picture)
                images.write_png(folder / f'{name}.png', picture)

    def _refuse_other_config(self, config):
        before = self._read_json('config.json')
        if before is None:
            return
        old, new = flatten(before), flatten(json.loads(json.dumps(config)))
        differing = [
            f'{key} (there {old.get(key)!r}, now {new.get(key)!r})'
            for key in sorted(old.keys() | new.keys())
            if old.get(key) != new.get(key) and key.split('.')[0] not in _WATCHING
        ]
        if differing:
            raise UserError(
                f'--workdir={self.workdir} holds the run of another config: '
                f'{", ".join(differing)}; take another folder or the same values.'
            )

    def _read_json(self, name):
        path = self.workdir / name
        if not path.exists():
            return None
        try:
            return json.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise UserError(
                f'{path} cannot be read ({error}): move {self.workdir} away and start anew.'
            ) from error

    def _read_records(self):
        path = self.workdir / 'metrics.jsonl'
        records = []
        for line in path.read_text().splitlines() if path.exists() else []:
            try:
                records.append(json.loads(line))
            except ValueError:  # The line that a killed process was writing.
                break
        return records

    def _ends_well(self):
        path = self.workdir / 'metrics.jsonl'
        return not path.exists() or path.read_text()[-1:] in ('', '\n')

    def _write_json(self, name, value):
        self._write_text(name, json.dumps(value, indent=2) + '\n')

    def _write_text(self, name, text):
        partial = self.workdir / f'.{name}.partial'
        partial.write_text(text)
        partial.replace(self.workdir / name)

    def _reporting(self):
        return _Reporting(self.workdir)


class _Reporting:
    """Turns a failure to write (a full disk) into one sentence."""

    def __init__(self, workdir):
        self._workdir = workdir

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        if isinstance(error, OSError):
            raise UserError(
                f'{self._workdir} cannot be written to ({error.strerror}): make room there and '
                'run the same command again; it goes on from its last checkpoint.'
            ) from error


def revision() -> str:
    """Returns the git revision of the code, with '+changes' where it was edited; '' without git."""
    folder = pathlib.Path(__file__).parent
    try:
        commit = _git(folder, 'rev-parse', '--short=12', 'HEAD')
        return commit + ('+changes' if _git(folder, 'status', '--porcelain', '-uno') else '')
    except (OSError, subprocess.SubprocessError):
        return ''


def _git(folder, *arguments):
    done = subprocess.run(
        ['git', *arguments], cwd=folder, capture_output=True, text=True, check=True, timeout=10
    )
    return done.stdout.strip()


def _versions():
    versions = {'python': platform.python_version()}
    return versions | {name: importlib.metadata.version(name) for name in _VERSIONED}


def _now():
    return datetime.datetime.now(datetime.UTC).isoformat(timespec='seconds')


def _tensorboard(workdir):
    try:
        from tensorboardX import SummaryWriter
    except ImportError as error:
        raise UserError(
            "config.run.tensorboard needs the extra: pip install 'imggen[tensorboard]'."
        ) from error
    return SummaryWriter(str(workdir / 'tensorboard'))
