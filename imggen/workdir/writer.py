"""Writes what a run leaves on disk: config.json, run.json, metrics.jsonl, samples/.

If the code differs from its revision, changes.patch says how.

Only process 0 writes. Files that a reader may open while the run continues are replaced as
a whole.
"""

import contextlib
import datetime
import json
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax

from imggen import devices, files, images
from imggen import skipped as skipped_files
from imggen.errors import UserError
from imggen.workdir import boards as second
from imggen.workdir import provenance, reader, records

# This section says how a run is watched, not what it computes; it may change on resuming.
_WATCHING = 'run'
# These say how long a run is. They may grow if nothing but its schedules depends on them.
_LENGTH = {'total_images', 'method.num_steps'}
_PHASES = 'A run of several phases cannot get longer, because the first one has ended. '


class Writer:
    """The workdir of one run.

    Args:
      workdir: the folder. The constructor writes nothing; `resume_at` begins.
      config: the whole config as nested dicts.
      command: the command line that started the run.
      active: whether this process writes.
      boards: names of `boards.BOARDS`, which get the records and the sheets too.
      may_grow: whether the run may be longer than the one that the folder holds. `lengthened` of
        run.json then lists the numbers of steps that it had.

    Raises:
      UserError: the folder holds results of another config (the message names the options
        that differ) or of another version of imggen, or it cannot be written to.
    """

    def __init__(
        self,
        workdir: str | pathlib.Path,
        config: Mapping[str, Any],
        *,
        command: str,
        active: bool = True,
        boards: Sequence[str] = (),
        may_grow: bool = False,
    ):
        self.workdir = pathlib.Path(workdir)
        self._active = active
        self._config = config
        self._boards = []
        self._wanted = boards if active else ()
        for name in self._wanted:
            second.check(name)
        try:
            grown_from = self._refuse_other_config(config, may_grow=may_grow)
            self._info = reader.read_info(self.workdir)
        except OSError as error:
            raise UserError(
                f'--workdir={self.workdir} cannot be read ({error.strerror}): take another folder.'
            ) from error
        if not active:
            return
        if grown_from:
            self._info['lengthened'] = [*self._info.get('lengthened', []), grown_from]
        self._info.update(
            command=command,
            revision=provenance.revision(),
            changed=provenance.changed(),
            versions=provenance.versions(),
            environment=provenance.environment(),
            driver=provenance.driver(),
            hardware=devices.hardware(),
            platform=jax.devices()[0].platform,
            devices=jax.device_count(),
            sessions=self._info.get('sessions', 0) + 1,
            started=self._info.get('started', _now()),
            seconds=self._info.get('seconds', 0.0),
        )

    @property
    def info(self) -> Mapping[str, Any]:
        """The contents of run.json."""
        return self._info

    def resume_at(self, step: int) -> None:
        """Writes config.json, and drops the records after `step`.

        Those steps run again and give the same values.
        """
        path = self.workdir / 'metrics.jsonl'
        kept = [record for record in records.read_lines(path) if record['step'] <= step]
        self._info['seconds'] = kept[-1].get('seconds', 0.0) if kept else 0.0
        if not self._active:
            return
        with self._explaining():
            self._write_json('config.json', {'format': reader.FORMAT, **self._config})
            if self._info['changed'] and (changes := provenance.patch()):
                patch = changes.encode('utf-8', 'surrogateescape')
                files.write_bytes(self.workdir / 'changes.patch', patch)
            if path.exists():
                files.write_text(path, ''.join(json.dumps(record) + '\n' for record in kept))
            if not self._boards:  # A restart after NaN keeps those that are open.
                made = (second.BOARDS[name] for name in self._wanted)
                self._boards = [make(self.workdir, self._config) for make in made]

    def scalars(self, step: int, phase: str, values: Mapping[str, float]) -> None:
        """Appends one record to metrics.jsonl."""
        if not self._active:
            return
        record = {'step': step, 'phase': phase, **values}
        with self._explaining(), open(self.workdir / 'metrics.jsonl', 'a') as file:
            file.write(json.dumps(record) + '\n')
        for board in self._boards:
            board.scalars(step, {f'{phase}/{name}': value for name, value in values.items()})

    def status(self, status: str, **values) -> None:
        """Updates run.json; the status is 'running', 'finished', 'stopped' or 'failed'."""
        self._info.update(status=status, updated=_now(), **values)
        if self._active:
            with self._explaining():
                self._write_json('run.json', self._info)

    def sample(self, name: str, sheet, *, step: int = 0) -> None:
        """Writes a sheet of samples, uint8 [height, width, channels], as samples/`name`.png."""
        if self._active:
            with self._explaining():
                images.write_png(self.workdir / 'samples' / f'{name}.png', sheet)
            for board in self._boards:
                board.picture(step, 'real' if name == 'real' else 'samples', sheet)

    def result(self, step: int, name: str, picture) -> None:
        """Writes a finished picture, uint8 [height, width, channels].

        results/`name`.png is always the newest; results/`name`/`step`.png are the frames of an
        animation.
        """
        if self._active:
            with self._explaining():
                folder = self.workdir / 'results'
                images.write_png(folder / name / f'{step:06d}.png', picture)
                images.write_png(folder / f'{name}.png', picture)

    def skipped(self, reasons: Sequence[str]) -> None:
        """Writes skipped.txt, a line for each file of the data set that was passed over."""
        if self._active:
            with self._explaining():
                skipped_files.write(self.workdir, reasons)

    def close(self) -> None:
        """Closes the boards."""
        for board in self._boards:
            board.close()

    def _refuse_other_config(self, config, *, may_grow: bool) -> int:
        """Returns the number of steps that a run had which is longer now, otherwise 0."""
        before = reader.read_config(self.workdir)
        computed = [*self.workdir.glob('metrics.jsonl'), *self.workdir.glob('checkpoints/*')]
        if before is None or not computed:  # A run that computed nothing may change its config.
            return 0
        # A config without init_from, as older runs have, is one whose run starts from no parent.
        old = {'init_from': '', **reader.flatten(before)}
        new = {'init_from': '', **reader.flatten(json.loads(json.dumps(config)))}
        differing = [
            key
            for key in sorted(old.keys() | new.keys())
            if old.get(key) != new.get(key) and key.split('.')[0] != _WATCHING
        ]
        if not differing:
            return 0
        is_longer = _LENGTH.issuperset(differing) and _is_longer(old, new)
        if may_grow and is_longer:
            return old['method.num_steps']
        listed = (f'{key} (there {old.get(key)!r}, now {new.get(key)!r})' for key in differing)
        raise UserError(
            f'--workdir={self.workdir} holds the run of another config: {", ".join(listed)}; take '
            f'another folder or the same values. {_PHASES if is_longer else ""}A new run can start '
            f'from the networks of this one: --config.init_from={self.workdir}.'
        )

    def _write_json(self, name, value):
        files.write_text(self.workdir / name, json.dumps(value, indent=2) + '\n')

    @contextlib.contextmanager
    def _explaining(self) -> Iterator[None]:
        """Turns a failure to write (a full disk) into one sentence."""
        try:
            yield
        except OSError as error:
            raise UserError(
                f'{self.workdir} cannot be written to ({error.strerror}): make room there and '
                'run the same command again; it continues from its last checkpoint.'
            ) from error


def _now():
    return datetime.datetime.now(datetime.UTC).isoformat(timespec='seconds')


def _is_longer(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether the number of steps in a flat config is a larger one."""
    lengths = (config.get('method.num_steps') for config in (old, new))
    before, now = (length if type(length) is int else 0 for length in lengths)
    return 0 < before < now
