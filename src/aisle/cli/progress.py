"""Progress on standard error: a bar on a terminal, otherwise a plain line now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from aisle.progress import Progress

#: Without a terminal, one stage writes at most one line in this many seconds (and one when it is done).
SECONDS_BETWEEN_LINES = 5.0


@contextmanager
def show_progress(stream: TextIO | None = None) -> Iterator[Progress]:
    """A callback for long work, for the time of a ``with`` block."""
    stream = sys.stderr if stream is None else stream
    if stream.isatty():
        with _bars(stream) as progress:
            yield progress
    else:
        yield PlainLines(stream)


class PlainLines:
    """Writes ``stage: done of total (share)`` lines, few of them."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._last: dict[str, tuple[float, int]] = {}

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        """Take note of how far a stage is."""
        now = self._clock()
        last = self._last.get(stage)
        is_done = total is not None and done >= total
        if last is not None and (done == last[1] or (now - last[0] < SECONDS_BETWEEN_LINES and not is_done)):
            return
        self._last[stage] = (now, done)
        self._stream.write(f"{stage}: {_amount(done, total)}\n")
        self._stream.flush()


@contextmanager
def _bars(stream: TextIO) -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[amount]}"), TimeElapsedColumn())
    tasks: dict[str, TaskID] = {}
    with Bars(*columns, console=Console(file=stream)) as bars:

        def progress(stage: str, done: int, total: int | None) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total, amount="")
            bars.update(tasks[stage], completed=done, total=total, amount=_amount(done, total))

        yield progress


def _amount(done: int, total: int | None) -> str:
    if total is None:
        return f"{done:,}"
    share = f" ({100 * done // total} %)" if total else ""
    return f"{done:,} of {total:,}{share}"
