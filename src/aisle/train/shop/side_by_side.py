"""Parts of a training, made side by side in processes of their own.

A training makes one part after the other and keeps each in its work directory. What processes have put there before is
read instead of made, so that it does not matter to the training who made what; a process that is killed has left whole
parts or none.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Self

from aisle.errors import AisleError, DataError
from aisle.progress import Progress
from aisle.train.child_processes import end_with_parent, threads_each
from aisle.train.shop.parts import Bench, Part

#: With fewer events a process takes longer to start than it saves.
_MANY_EVENTS = 50_000


def default_jobs(num_events: int) -> int:
    """Two where there are two cores and enough to do: more need more memory, which is the user's to say."""
    return min(2, os.cpu_count() or 1) if num_events >= _MANY_EVENTS else 1


#: Opens the bench of a training in the process that calls it; sent to each process.
OpenBench = Callable[[], AbstractContextManager[Bench]]


class Processes:
    """Processes that make parts; they end with the block, and with the process that started them.

    Each needs about the memory of a training of its own, and gets its share of the cores.

    Args:
        open_bench: See there.
        number: How many, at most.
    """

    def __init__(self, open_bench: OpenBench, number: int) -> None:
        self._open_bench, self._number = open_bench, number
        self._workers: list[tuple[BaseProcess, Connection]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process, connection in self._workers:
            connection.close()
            if error is not None:
                process.terminate()
        for process, _ in self._workers:
            process.join()
        self._workers.clear()

    def make(self, parts: Sequence[Part], stage: str, progress: Progress) -> None:
        """Make parts, in no order.

        Args:
            parts: None needs another of them.
            stage: What progress calls them.
            progress: Told after each.

        Raises:
            AisleError: the first that a part raised.
            DataError: a process was ended from without.
        """
        progress(stage, 0, len(parts))
        self._start(min(self._number, len(parts)))
        waiting, done = list(parts), 0
        for _, connection in self._workers[: len(parts)]:
            connection.send(waiting.pop(0))
        while done < len(parts):
            ready = wait([connection for _, connection in self._workers])
            for process, connection in self._workers:
                if connection not in ready:
                    continue
                _receive(process, connection)
                done += 1
                progress(stage, done, len(parts))
                if waiting:
                    connection.send(waiting.pop(0))

    def _start(self, number: int) -> None:
        context = multiprocessing.get_context("spawn")
        with threads_each(max(1, (os.cpu_count() or 1) // number)):
            for _ in range(number - len(self._workers)):
                mine, theirs = context.Pipe()
                process = context.Process(target=_work, args=(self._open_bench, theirs), daemon=True)
                process.start()
                theirs.close()
                self._workers.append((process, mine))


def _receive(process: BaseProcess, connection: Connection) -> None:
    try:
        failure: BaseException | None = connection.recv()
    except EOFError:
        process.join()
        raise DataError(
            f"expected a process that makes parts of the training to go on, it ended with {process.exitcode}; "
            "where memory is short, aisle train --resume --jobs 1 needs less of it"
        ) from None
    if failure is not None:
        raise failure


def _work(open_bench: OpenBench, connection: Connection) -> None:
    """Make what is asked for, until the other end is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is for the process that started this one
    threading.Thread(target=end_with_parent, daemon=True).start()
    try:
        with open_bench() as bench:
            while True:
                part: Part = connection.recv()
                part.make(bench)
                connection.send(None)
    except EOFError:
        return
    except AisleError as error:
        connection.send(error)
    except Exception:  # noqa: BLE001  # whatever it is, the process that waits must hear of it
        connection.send(RuntimeError(f"in a process that makes parts of the training:\n{traceback.format_exc()}"))
