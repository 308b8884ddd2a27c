"""Versions switch back and forth while clients ask all the time: no call fails, and none waits for a bundle."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from aisle.workspace import Workspace
from tests.e2e.conftest import Server, exchange
from tests.shops import NO_HASTE

NUM_SWITCHES = 12
NUM_CLIENTS = 3
#: While versions switch, the slowest answer of a hundred, and the slowest of all, may take so much longer than before.
BOUND_P99_MS, BOUND_SLOWEST_MS = 60, 400


@dataclass
class Answers:
    """What a client was answered."""

    milliseconds: list[float] = field(default_factory=list)
    seen: set[tuple[str, str]] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)


def keep_asking(server: Server, stop: threading.Event, answers: Answers) -> None:
    body = {"placement": "for-you", "user_id": "user-00003"}
    while not stop.is_set():
        with closing(server.connect()) as connection:
            for _ in range(20):  # then a new connection, which another worker may take
                started = time.perf_counter()
                try:
                    status, answer, worker = exchange(connection, "POST", "/v1/recommendations", body)
                except OSError as error:
                    answers.problems.append(repr(error))
                    break
                answers.milliseconds.append((time.perf_counter() - started) * 1000)
                if status != 200 or len(answer["items"]) != 10 or answer["degraded"]:
                    answers.problems.append(f"{status} {answer}")
                answers.seen.add((worker, answer.get("model_version", "")))
                if stop.is_set():
                    break


def asked(server: Server, during: Callable[[], None]) -> Answers:
    """What all clients together were answered meanwhile."""
    stop, each = threading.Event(), [Answers() for _ in range(NUM_CLIENTS)]
    clients = [threading.Thread(target=keep_asking, args=(server, stop, answers)) for answers in each]
    for client in clients:
        client.start()
    try:
        during()
    finally:
        stop.set()
        for client in clients:
            client.join()
    return Answers(
        [took for answers in each for took in answers.milliseconds],
        {pair for answers in each for pair in answers.seen},
        [problem for answers in each for problem in answers.problems],
    )


@pytest.mark.timing
@pytest.mark.parametrize("workers", [1, 2])
def test_switching_loses_and_slows_no_request(
    trained_shop: Path, tmp_path: Path, serve: Callable[..., Server], workers: int
) -> None:
    directory = shutil.copytree(trained_shop, tmp_path / "shop")
    (directory / "aisle.yaml").write_text(NO_HASTE)
    with closing(Workspace.open(directory).open_store()) as store:
        (first,) = store.bundles()
        shutil.copytree(directory / first.path, directory / "bundles" / "copy")
        store.register_bundle(replace(first, version="copy", path="bundles/copy", created_ms=first.created_ms + 1))
    server = serve(directory, "--workers", str(workers))

    def switch() -> None:
        for turn in range(NUM_SWITCHES):
            version = "copy" if turn % 2 == 0 else first.version
            assert server.call("POST", f"/v1/models/{version}:activate")[0] == 200
            time.sleep(0.25)

    asked(server, lambda: time.sleep(0.5))  # both workers are warm
    before = asked(server, lambda: time.sleep(2))
    while_switching = asked(server, switch)
    assert before.problems == while_switching.problems == []
    versions = {first.version, "copy"}
    names = {worker for worker, _ in while_switching.seen}
    assert len(names) == workers
    assert while_switching.seen == {(name, version) for name in names for version in versions}, "every worker followed"
    assert len(while_switching.milliseconds) > 100
    assert p99(while_switching) < p99(before) + BOUND_P99_MS
    assert max(while_switching.milliseconds) < max(before.milliseconds) + BOUND_SLOWEST_MS


def p99(answers: Answers) -> float:
    """The time that 99 of 100 answers do not exceed."""
    ordered = sorted(answers.milliseconds)
    return ordered[int(0.99 * (len(ordered) - 1))]
