"""The log of served answers: in batches, in the background, bounded, and never in an answer's way."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from aisle.serve import served_log
from aisle.serve.served_log import ServedLog
from aisle.store.contract import ServedRecord


def record(number: int) -> ServedRecord:
    return ServedRecord(f"r{number}", number, "popular", None, None, "none", "blend", [])


class Target:
    """Stands for the store: keeps batches, or fails."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.lost = 0
        self.failing = False

    def write(self, records: Sequence[ServedRecord]) -> None:
        if self.failing:
            raise OSError("disk full")
        self.batches.append([one.request_id for one in records])

    def lose(self, number: int) -> None:
        self.lost += number


def test_closing_writes_the_rest_in_one_batch_and_in_order() -> None:
    target = Target()
    log = ServedLog(target.write, on_lost=target.lose, flush_seconds=60)
    for number in range(3):
        log.add(record(number))
    assert target.batches == []
    log.close()
    assert target.batches == [["r0", "r1", "r2"]]


def test_the_background_writes_without_being_asked() -> None:
    written = threading.Event()
    log = ServedLog(lambda records: written.set(), on_lost=lambda number: None, flush_seconds=0.01)
    log.add(record(0))
    assert written.wait(5)
    log.close()


def test_a_full_queue_and_a_failing_store_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served_log, "MAX_WAITING", 5)
    target = Target()
    log = ServedLog(target.write, on_lost=target.lose, flush_seconds=60)
    for number in range(7):
        log.add(record(number))
    assert target.lost == 2
    target.failing = True
    log.flush()
    assert target.lost == 7
    target.failing = False
    log.add(record(7))
    log.close()
    assert target.batches == [["r7"]]


def test_adding_does_not_wait_for_a_slow_store() -> None:
    is_writing, release = threading.Event(), threading.Event()
    was_released = []

    def write(records: Sequence[ServedRecord]) -> None:
        is_writing.set()
        was_released.append(release.wait(30))

    log = ServedLog(write, on_lost=lambda number: None, flush_seconds=0.001)
    log.add(record(0))
    assert is_writing.wait(30)
    for number in range(1000):
        log.add(record(number))
    release.set()
    log.close()
    assert was_released[0], "the write went on while records were added"
