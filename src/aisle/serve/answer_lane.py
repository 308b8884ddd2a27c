"""A lane of their own for recommendations: more than a worker can answer soon are refused at once, not kept waiting."""

from __future__ import annotations

from collections.abc import Callable

import anyio
from anyio.to_thread import run_sync
from starlette.responses import Response

from aisle.serve.faults import problem

#: The model answers one call at a time, while the next ones read their histories; more threads would only slow down
#: all other calls.
NUM_THREADS = 8
RETRY_SECONDS = 1


class AnswerLane:
    """Answers recommendations in threads apart from all other calls, so that those go on while these wait.

    Args:
        max_calls: Calls that may be here at once, those that are answered and those that wait for a thread.

    Attributes:
        num_calls: How many are here now.
    """

    def __init__(self, max_calls: int) -> None:
        self._threads = anyio.CapacityLimiter(NUM_THREADS)
        self._max_calls = max_calls
        self.num_calls = 0

    async def run(self, answer: Callable[[], Response]) -> Response:
        """Answer one call, or refuse it with 503 and Retry-After where the lane is full."""
        if self.num_calls >= self._max_calls:
            detail = (
                f"{self._max_calls} recommendations are asked for at once already, as many as this worker keeps "
                f"(server.max_recommendations_at_once); call again in {RETRY_SECONDS} s"
            )
            return problem(503, detail, {"retry-after": str(RETRY_SECONDS)})
        self.num_calls += 1
        try:
            return await run_sync(answer, limiter=self._threads)
        finally:
            self.num_calls -= 1
