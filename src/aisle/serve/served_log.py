"""Notes every answer that was given, in the background and in batches: an answer never waits for its own record."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Sequence

from aisle.store.contract import ServedRecord

_log = logging.getLogger(__name__)

#: How long an answer may wait for its record, and how many of them are written in one transaction.
FLUSH_SECONDS = 0.25
BATCH_RECORDS = 500
#: Beyond this many waiting records new ones are counted as lost rather than kept: memory stays bounded.
MAX_WAITING = 20_000


class ServedLog:
    """A queue of served answers and the one thread that empties it into the store."""

    def __init__(
        self,
        write: Callable[[Sequence[ServedRecord]], None],
        *,
        on_lost: Callable[[int], None],
        flush_seconds: float = FLUSH_SECONDS,
    ) -> None:
        self._write = write
        self._on_lost = on_lost
        self._flush_seconds = flush_seconds
        self._waiting: queue.Queue[ServedRecord] = queue.Queue(MAX_WAITING)
        self._writing = threading.Lock()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, record: ServedRecord) -> None:
        """Take one record without waiting."""
        try:
            self._waiting.put_nowait(record)
        except queue.Full:
            self._on_lost(1)
            return
        if self._thread is None:
            self._start()

    def flush(self) -> None:
        """Write everything that waits, now, in the caller's thread."""
        with self._writing:
            while batch := self._take():
                try:
                    self._write(batch)
                except Exception:  # noqa: BLE001 - whatever the store says, answering goes on
                    _log.exception("the served log could not be written; %d answers are not in it", len(batch))
                    self._on_lost(len(batch))

    def close(self) -> None:
        """Write the rest and stop."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join()
        self.flush()

    def _start(self) -> None:
        with self._writing:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="served-log", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while not self._closing.wait(self._flush_seconds):
            self.flush()

    def _take(self) -> list[ServedRecord]:
        batch: list[ServedRecord] = []
        while len(batch) < BATCH_RECORDS:
            try:
                batch.append(self._waiting.get_nowait())
            except queue.Empty:
                break
        return batch
