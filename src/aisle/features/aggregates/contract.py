"""What every aggregate promises: a small state that events change, read at a time, and the same over a whole table.

Legend of shapes: M reads, F values of one read.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aisle.features.aggregates.event import Event, EventTable
from aisle.features.aggregates.history import KeyedEvents, Spans

State = TypeVar("State")

#: An age that says "never"; greater ages count as this one, so that every age is finite and "never" is the greatest.
NEVER_DAYS = 3650.0


class Aggregate(ABC, Generic[State]):
    """Something counted per key, in one file: how an event changes it, how it is read, and its as-of form.

    The two ways agree: a state that took in a key's events before t, read at t, gives what :meth:`as_of` gives for the
    key at t. Ages are never negative: a state that holds events from t on is read as of the last of them.
    """

    #: What each value of a read is called.
    names: tuple[str, ...]
    #: Whether events may arrive in any order (each kind says how far back); otherwise only in that of their times.
    any_order: bool = True

    @abstractmethod
    def empty(self) -> State:
        """The state of a key without events."""

    @abstractmethod
    def update(self, state: State, event: Event) -> None:
        """Let an event change a key's state, which stays of bounded size."""

    @abstractmethod
    def read(self, state: State, time_ms: int) -> tuple[float, ...]:
        """The values at a time, finite for an empty state as well; the state stays as it is."""

    @abstractmethod
    def gather(self, history: KeyedEvents, spans: Spans) -> NDArray[np.float64]:
        """The values [M, F] of each span of a sorted history; several aggregates may share both."""

    def as_of(self, events: EventTable, keys: ArrayLike, times_ms: ArrayLike) -> NDArray[np.float64]:
        """The values [M, F] of each key at each time, from its events strictly before that time.

        Args:
            events: In the order of their arrival; keys and times in any order.
            keys: [M] keys; one without events reads as empty.
            times_ms: [M] times.
        """
        history = KeyedEvents(events)
        keys_M, times_ms_M = np.asarray(keys, np.int64), np.asarray(times_ms, np.int64)
        if keys_M.shape != times_ms_M.shape:
            raise ValueError(f"expected a time for each key, received {keys_M.shape} and {times_ms_M.shape}")
        return self.gather(history, history.spans(keys_M, times_ms_M))


def check_positive(name: str, value: float) -> None:
    """Raise ValueError unless a number of days (or a weight) is finite and above 0."""
    if not (np.isfinite(value) and value > 0):
        raise ValueError(f"{name}: expected a finite number above 0, received {value}")
