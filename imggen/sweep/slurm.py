"""The runs of a sweep as one SLURM job array, through submitit."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from typing import Any

from imggen import files
from imggen.errors import UserError
from imggen.sweep import claims, failures, logs
from imggen.sweep.local import TaskState, start, why_ended
from imggen.sweep.plan import Task

_MAX_TIMEOUTS = 1_000  # How often a job may reach its time limit and be requeued.
_SETTLE_SECONDS = 10  # A shared file system may show the last file of a job only some time later.
_OVER = ('BOOT_FAIL', 'CANCELLED', 'COMPLETED', 'DEADLINE', 'FAILED', 'NODE_FAIL')
_OVER += ('OUT_OF_MEMORY', 'PREEMPTED', 'TIMEOUT')


class Slurm:
    """One job array with one element per task; `jobs` elements run at a time.

    Jobs may be requeued at any moment: by an administrator, after a node failed, or by
    themselves shortly before their time limit. The run gets SIGTERM and saves, and the same
    command continues it. The process that started the sweep may end: the same command finds the
    jobs again by `slurm/jobs.json`, and submits only those that are not in the queue.

    `options` are parameters of submitit, such as {'timeout_min': 240, 'gpus_per_node': 1,
    'slurm_partition': 'gpu'}.
    """

    def __init__(
        self,
        tasks: Sequence[Task],
        folder: pathlib.Path,
        *,
        jobs: int,
        options: Mapping[str, Any] | None = None,
    ):
        self._folder = folder / 'slurm'
        self._path = self._folder / 'jobs.json'
        self._jobs = json.loads(self._path.read_text()) if self._path.exists() else {}
        queue = _queue()
        submit = [task for task in tasks if self._jobs.get(task.name) not in queue]
        for task in submit:
            _status_path(folder, task.name).unlink(missing_ok=True)
        if submit:
            numbers = _submit(submit, folder, jobs, options or {})
            self._jobs |= dict(zip((task.name for task in submit), numbers, strict=True))
            files.write_text(self._path, json.dumps(self._jobs, indent=2) + '\n')
        arrays = sorted({self._jobs[task.name].split('_')[0] for task in tasks})
        self.where = f'SLURM job {", ".join(arrays)}'
        self._root, self._names = folder, [task.name for task in tasks]
        self._gone = {}  # name -> when the job was first missing from the queue

    def poll(self) -> dict[str, TaskState]:
        queue = _queue()
        return {name: self._state(name, queue.get(self._jobs[name])) for name in self._names}

    def stop(self) -> None:
        """Does nothing: the jobs do not need this process."""

    def _state(self, name: str, queued: str | None) -> TaskState:
        if queued is not None:
            self._gone.pop(name, None)
            return TaskState('running' if queued in ('RUNNING', 'COMPLETING') else 'waiting')
        path = _status_path(self._root, name)
        if path.exists():
            return TaskState('ended', path.read_text())
        gone = self._gone.setdefault(name, time.monotonic())
        if time.monotonic() - gone < _SETTLE_SECONDS:
            return TaskState('running')
        reason = 'the job left the queue; the same command continues it'
        return TaskState('ended', logs.explain(self._root, name, reason))


class Work:
    """A task as submitit runs it on a node."""

    def __init__(self, task: Task, folder: pathlib.Path):
        self.task, self.folder = task, folder
        self._process = None

    def __call__(self) -> None:
        name, reason = self.task.name, ''
        # A job that was requeued waits for what its last session still writes.
        claim = claims.take(self.folder, name, wait=True)
        for command in self.task.commands:
            self._process = start(command, logs.log_path(self.folder, name), keep=(claim,))
            reason = why_ended(self._process.wait(), self.task)
            if reason:
                reason = logs.explain(self.folder, name, reason)
                failures.note(self.folder, name, reason)
                break
        files.write_text(_status_path(self.folder, name), reason)
        os.close(claim)

    def checkpoint(self):
        """Lets the run save before the time limit, then queues the same task again."""
        import submitit

        # Popen.wait may hold its lock in the frame that this signal handler interrupts.
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(self._process.pid, signal.SIGTERM)
            os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
        return submitit.helpers.DelayedSubmission(Work(self.task, self.folder))


def queued(folder: pathlib.Path) -> set[str]:
    """Returns the names of the runs whose jobs are in the queue, as far as SLURM says here."""
    path = folder / 'slurm' / 'jobs.json'
    if not path.exists() or shutil.which('squeue') is None:
        return set()
    queue = _queue()
    return {name for name, job in json.loads(path.read_text()).items() if job in queue}


def _status_path(folder: pathlib.Path, name: str) -> pathlib.Path:
    return folder / 'slurm' / f'{name}.status'


def _submit(
    tasks: Sequence[Task], folder: pathlib.Path, jobs: int, options: Mapping[str, Any]
) -> list[str]:
    try:
        import submitit
    except ImportError:
        raise UserError("--launcher=slurm needs submitit: pip install 'imggen[slurm]'.") from None
    if options.get('nodes', 1) != 1 or options.get('tasks_per_node', 1) != 1:
        raise UserError(
            'a sweep gives each run one process: take nodes=1 and tasks_per_node=1, and '
            'experiments/slurm.sh for a run on several nodes.'
        )
    defaults = {'name': 'imggen', 'timeout_min': 24 * 60, 'slurm_array_parallelism': jobs}
    try:
        executor = submitit.AutoExecutor(
            folder / 'slurm', cluster='slurm', slurm_max_num_timeout=_MAX_TIMEOUTS
        )
        executor.update_parameters(
            slurm_additional_parameters={'requeue': True}, **(defaults | dict(options))
        )
        with executor.batch():
            submitted = [executor.submit(Work(task, folder)) for task in tasks]
    except (RuntimeError, ValueError, NameError, TypeError) as error:
        raise UserError(f'SLURM accepted no job: {str(error).splitlines()[0]}') from None
    return [job.job_id for job in submitted]


def _queue() -> dict[str, str]:
    """Returns {'12_0': 'RUNNING', ...}: the user's jobs that wait, run or are being requeued."""
    command = ['squeue', '--noheader', '--array', '--states=all', '--format=%i %T']
    command.append(f'--user={os.getuid()}')
    for attempt in range(10):
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
            break
        except FileNotFoundError:
            raise UserError(
                '--launcher=slurm needs the command squeue: run it on a cluster.'
            ) from None
        except (subprocess.SubprocessError, OSError) as error:
            problem = error
            time.sleep(attempt)
    else:
        raise UserError(f'SLURM does not answer ({problem}); the jobs go on, try again later.')
    lines = (line.split() for line in done.stdout.splitlines() if line.strip())
    return {job: state for job, state in lines if state not in _OVER}
