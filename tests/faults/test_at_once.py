"""Two trainings and two imports of one workspace at the same time, each in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import orjson
import pytest

from aisle.bundle import Bundle
from aisle.workspace import Workspace

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts commands; whatever still runs at the end is killed."""
    with ExitStack() as stack:

        def start(directory: Path, *arguments: str) -> subprocess.Popen[str]:
            command = [sys.executable, "-m", "aisle", "-C", str(directory), *arguments]
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        yield start


def test_two_trainings_both_end_well_and_a_third_in_the_same_place_is_refused(trained_copy: Path, start: Start) -> None:
    train = ("train", "shop-quick", "--set", "ranker=null", "--activate", "always", "--json")
    first = start(trained_copy, *train, "-o", str(trained_copy / "first"))
    assert first.stderr is not None and "read events" in first.stderr.readline()
    second = start(trained_copy, *train, "-o", str(trained_copy / "second"))
    third = start(trained_copy, *train, "-o", str(trained_copy / "first"), "--resume")
    output, errors = third.communicate(timeout=120)
    assert (third.returncode, output) == (1, "")
    assert "expected a directory that nobody trains in" in errors
    results = [orjson.loads(process.communicate(timeout=120)[0]) for process in (first, second)]
    assert results[0]["version"] != results[1]["version"]
    assert results[0]["metrics"] == results[1]["metrics"]
    with closing(Workspace.open(trained_copy).open_store()) as store:
        registered = {record.version: record for record in store.bundles()}
    for result in results:
        record = registered[result["version"]]
        Bundle.open(trained_copy / record.path, manifest_sha256=record.manifest_sha256)
    assert sum(record.is_active for record in registered.values()) == 1


def test_two_imports_of_one_file_count_each_event_once(trained_shop: Path, tmp_path: Path, start: Start) -> None:
    directory = Workspace.create(tmp_path / "shop").directory
    path = str(trained_shop / "data" / "events.parquet")
    both = [start(directory, "import", "events", path, "--json") for _ in range(2)]
    reports = [orjson.loads(process.communicate(timeout=120)[0]) for process in both]
    with closing(Workspace.open(directory).open_store()) as store:
        assert sum(report["accepted"] for report in reports) == store.num_events() == reports[0]["rows"]
    assert {report["rejected"] for report in reports} == {0}
