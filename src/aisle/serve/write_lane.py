"""A lane of their own for calls that write: while the store is held, they wait there and answers go on beside them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import anyio
from anyio.to_thread import run_sync

from aisle.errors import BackendUnavailableError

Result = TypeVar("Result")

#: The store takes one writer at a time; a few more are ready when it is free.
NUM_THREADS = 4
#: Beyond this many waiting calls new ones are refused rather than kept: memory stays bounded.
MAX_WAITING = 512
WAIT_SECONDS = 30.0


class WriteLane:
    """Runs blocking writes in few threads apart from those that answer recommendations.

    Args:
        max_waiting: Calls that may wait for a thread.
        wait_seconds: How long each of them may.
    """

    def __init__(self, *, max_waiting: int = MAX_WAITING, wait_seconds: float = WAIT_SECONDS) -> None:
        self._threads = anyio.CapacityLimiter(NUM_THREADS)
        self._max_waiting = max_waiting
        self._wait_seconds = wait_seconds

    async def run(self, write: Callable[[], Result]) -> Result:
        """Run one write; once it has begun it is waited for.

        Raises:
            BackendUnavailableError: too many calls wait, or this one waited too long; nothing was written.
        """
        if self._threads.statistics().tasks_waiting >= self._max_waiting:
            raise BackendUnavailableError(
                f"{self._max_waiting} calls wait for the store already; nothing was written; send again"
            )
        try:
            with anyio.fail_after(self._wait_seconds):
                return await run_sync(write, limiter=self._threads)
        except TimeoutError:
            raise BackendUnavailableError(
                f"the store was held for {self._wait_seconds:g} seconds; nothing was written; send again"
            ) from None
