"""A trace of a few steps, which XProf and Perfetto open."""

import pathlib
import re
import types
from collections.abc import Callable

import jax

from imggen.errors import UserError


def parse(text: str) -> range:
    """Returns the steps of 'FIRST..LAST', the first and the one after the last; none of ''.

    Raises:
      UserError: it is no range of steps.
    """
    match = re.fullmatch(r'(\d{1,9})\.\.(\d{1,9})', text)
    steps = range(int(match[1]), int(match[2])) if match else range(0)
    if text and not steps:
        raise UserError(
            f'config.run.profile_steps={text!r} is not FIRST..LAST: give two steps, the smaller '
            'one first, such as 100..110.'
        )
    return steps


def check(text: str, num_steps: int) -> None:
    """Raises UserError if a run of `num_steps` steps ends before the range does."""
    if parse(text).stop > num_steps:
        raise UserError(
            f'config.run.profile_steps={text!r} ends after the run, which has {num_steps:,} steps: '
            'give earlier ones.'
        )


class Profile:
    """Traces the steps of a range. As a context, it writes what it has if the run ends before.

    Args:
      steps: an empty range traces nothing.
      folder: where the trace goes; None to cut dispatches as the process that traces does.
      say: is told where the trace is.
    """

    def __init__(
        self,
        *,
        steps: range = range(0),
        folder: pathlib.Path | None = None,
        say: Callable[[str], None] = print,
    ):
        self._steps, self._folder, self._say = steps, folder, say
        self._traces = False

    def __enter__(self) -> 'Profile':
        return self

    def __exit__(
        self, kind: type | None, error: BaseException | None, trace: types.TracebackType | None
    ) -> None:
        self.stop()

    def cut(self, step: int, until: int) -> int:
        """Returns where a dispatch of the steps [step, until) ends: the trace holds whole ones."""
        edges = (self._steps.start, self._steps.stop) if self._steps else ()
        return min([until, *(edge for edge in edges if edge > step)])

    def before(self, step: int, *, flush: Callable[[], None]) -> None:
        """Starts the trace if its first step is next; `flush` waits for the device."""
        if self._steps and step == self._steps.start:
            flush()  # What the device still does is not traced.
            self.start()

    def after(self, step: int, *, flush: Callable[[], None]) -> None:
        """Writes the trace if it ends before this step."""
        if self._steps and step == self._steps.stop:
            flush()
            self.stop()

    def start(self) -> None:
        """Starts the trace."""
        if self._folder is not None:
            jax.profiler.start_trace(self._folder, create_perfetto_trace=True)
            self._traces = True

    def stop(self) -> None:
        """Writes the trace, if there is one."""
        if self._traces:
            self._traces = False
            jax.profiler.stop_trace()
            self._say(f'the trace is in {self._folder}')
