"""Runs the tasks of a sweep as processes on this machine.

`Local` and `slurm.Slurm` are launchers. Both take tasks and have the same interface:

  poll() -> {name: TaskState}    starts what can start; returns the state of every task
  stop()                         the runs save and end; on a cluster they continue by themselves
  where                          a phrase that says where the tasks run

The commands of a task run one after the other, each in a process of its own. Their output goes to
`logs/<name>.txt`.
"""

import contextlib
import ctypes
import math
import os
import pathlib
import re
import shlex
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from imggen.sweep import claims, failures, logs
from imggen.sweep.plan import Task, read_info
from imggen.workdir import reader

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


class TaskState(NamedTuple):
    """The state of a task."""

    kind: str  # 'waiting', 'running' or 'ended'.
    reason: str = ''  # Why an ended task failed, in words; '' if it succeeded.


class Local:
    """Processes on this machine, `jobs` at a time.

    If several run at once, each is bound to its part of the cores (and of the GPUs, if there
    are any). XLA sizes its thread pools by the cores that a process may use; flags and
    OMP_NUM_THREADS do not limit it. XLA also splits sums by the cores that it sees, so a run
    with one core differs from a run with two in the last digits. Runs are the same to the bit
    only with equally many cores, that is, with the same --jobs.

    Each task is claimed before it starts, so that several processes, also on other machines, can
    share the tasks. The started processes inherit the claim and, on Linux, get SIGTERM if this
    process dies. Whoever takes the task over therefore waits until nobody writes any more.

    Args:
      tasks: the tasks.
      folder: the sweep's folder.
      jobs: number of tasks that run at a time.
      left: returns what is left of a task that another process may have worked on meanwhile;
        None if nothing is.
    """

    def __init__(
        self,
        tasks: Sequence[Task],
        folder: pathlib.Path,
        *,
        jobs: int,
        left: Callable[[str], Task | None],
    ):
        self.where = f'{jobs} at a time on this machine'
        self._folder, self._left = folder, left
        self._slots = [_slot(index, jobs) for index in range(jobs)]
        self._free = deque(range(jobs))
        self._waiting = {task.name: task for task in tasks}
        self._running = {}  # name -> _Work
        self._states = {task.name: TaskState('waiting') for task in tasks}

    def poll(self) -> dict[str, TaskState]:
        for name, work in list(self._running.items()):
            if work.process.poll() is None:
                continue
            del self._running[name]
            reason = why_ended(work.process.returncode, work.task)
            if not reason and work.index + 1 < len(work.task.commands):
                self._start(work.task, work.index + 1, work.slot, work.claim)
                continue
            if reason:  # Before the claim ends, since another process would start the task again.
                reason = logs.explain(self._folder, name, reason)
                failures.note(self._folder, name, reason)
            os.close(work.claim)
            self._free.append(work.slot)
            self._states[name] = TaskState('ended', reason)
        for name in list(self._waiting):
            if not self._free:
                break
            self._begin(name)
        return dict(self._states)

    def stop(self) -> None:
        """Sends SIGTERM and waits until all runs have saved; a second Ctrl-C kills them."""
        self._waiting.clear()
        processes = [work.process for work in self._running.values()]
        for process in processes:
            process.terminate()
        try:
            for process in processes:
                process.wait()
        except KeyboardInterrupt:
            for process in processes:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def _begin(self, name: str) -> None:
        """Starts what is left of a task, unless another process works on it or has ended it."""
        claim = claims.take(self._folder, name)
        if claim is None:
            self._states[name] = TaskState('running')
            return
        del self._waiting[name]
        reason = reader.failures(self._folder).get(name, '')
        task = None if reason else self._left(name)
        if task is None:
            os.close(claim)
            self._states[name] = TaskState('ended', reason)
        else:
            self._start(task, 0, self._free.popleft(), claim)

    def _start(self, task: Task, index: int, slot: int, claim: int) -> None:
        cores, environment = self._slots[slot]
        process = start(
            task.commands[index],
            logs.log_path(self._folder, task.name),
            cores=cores,
            environment=environment,
            keep=(claim,),
        )
        self._running[task.name] = _Work(task, index, slot, claim, process)
        self._states[task.name] = TaskState('running')


class _Work(NamedTuple):
    """A task that runs: the index of its command, its slot and its claim."""

    task: Task
    index: int
    slot: int
    claim: int
    process: subprocess.Popen


def start(
    command: Sequence[str],
    log: pathlib.Path,
    *,
    cores: Sequence[int] = (),
    environment: Mapping[str, str] | None = None,
    keep: tuple[int, ...] = (),
) -> subprocess.Popen:
    """Starts a command in a session of its own; it ends when this process dies.

    Args:
      command: program and arguments.
      log: the file that its output is appended to.
      cores: the cores that it may use; by default all that this process may use.
      environment: variables to add to those of this process.
      keep: file descriptors that it inherits.
    """
    parent = os.getpid()
    libc = ctypes.CDLL(None)  # Loaded here, since a forked process should do little.

    def prepare():
        # SLURM's warning before the time limit is meant for submitit only.
        signal.signal(signal.SIGUSR2, signal.SIG_IGN)
        if cores:
            os.sched_setaffinity(0, cores)
        if sys.platform == 'linux':
            libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
            if os.getppid() != parent:
                os._exit(1)

    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open('ab') as output:
        output.write(f'$ {shlex.join(command)}\n'.encode('utf-8', 'surrogateescape'))
        output.flush()
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
            pass_fds=keep,
            preexec_fn=prepare,
        )


def why_ended(status: int, task: Task) -> str:
    """Returns why a task cannot go on after a command ended; '' if it can."""
    stopped = status in (0, -signal.SIGTERM, 128 + signal.SIGTERM)
    if stopped and read_info(task.workdir).get('status') == 'stopped':
        return 'stopped before its end; the same command continues it'
    if status < 0:
        name = signal.Signals(-status).name
        return f'killed by {name}' + (', perhaps out of memory' if name == 'SIGKILL' else '')
    return f'exit status {status}' if status else ''


def _slot(index: int, jobs: int) -> tuple[list[int], dict[str, str]]:
    """Returns the cores and the environment of one of `jobs` processes."""
    if jobs == 1:
        return [], {}
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else []
    gpus = _gpus()
    if not gpus:
        return _share(cores, index, jobs), {}
    environment = {'CUDA_VISIBLE_DEVICES': ','.join(_share(gpus, index, jobs))}
    if jobs > len(gpus) and 'XLA_PYTHON_CLIENT_MEM_FRACTION' not in os.environ:
        fraction = 0.9 / math.ceil(jobs / len(gpus))
        environment['XLA_PYTHON_CLIENT_MEM_FRACTION'] = f'{fraction:.3f}'
    return _share(cores, index, jobs), environment


def _share(items: Sequence, index: int, count: int) -> list:
    """Returns part `index` of `count` parts; with fewer items than parts, parts share items."""
    if len(items) < count:
        return [items[index % len(items)]] if items else []
    return list(items[index * len(items) // count : (index + 1) * len(items) // count])


def _gpus() -> list[str]:
    if os.environ.get('JAX_PLATFORMS', '').startswith('cpu'):
        return []
    if 'CUDA_VISIBLE_DEVICES' in os.environ:
        return [gpu for gpu in os.environ['CUDA_VISIBLE_DEVICES'].split(',') if gpu.strip()]
    names = (path.name for path in pathlib.Path('/dev').glob('nvidia*'))
    return sorted((name[6:] for name in names if re.fullmatch(r'nvidia\d+', name)), key=int)
