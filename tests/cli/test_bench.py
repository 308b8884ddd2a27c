"""aisle bench serve: its numbers, its clear errors, and that other benchmarks are absent until they exist."""

from __future__ import annotations

import json
import statistics
from pathlib import Path

import pytest

from aisle.cli.bench import Quantiles
from aisle.cli.entry import run
from aisle.schema import Event, Item
from aisle.workspace import Workspace


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return Workspace.create(tmp_path / "shop").directory


def test_it_starts_a_server_and_reports_its_times(directory: Path, capfd: pytest.CaptureFixture[str]) -> None:
    store = Workspace.open(directory).open_store()
    store.put_items([Item(item_id=f"i{number}") for number in range(5)])
    events = [Event(type="purchase", user_id=f"u{number}", item_id=f"i{number}") for number in range(3)]
    store.add_events(events, ["e0", "e1", "e2"])
    store.close()
    arguments = ["bench", "serve", "--requests", "20", "--warmup", "2", "--placement", "popular", "--json"]
    assert run(["-C", str(directory), *arguments]) == 0
    result = json.loads(capfd.readouterr().out)
    assert 0 < result["p50_ms"] <= result["p95_ms"] <= result["p99_ms"]
    assert result["requests_per_second"] > 1
    assert result["sizes"] == {"items": 5, "users": 3, "limit": 10}
    assert (result["requests"], result["clients"], result["model_version"]) == (20, 1, "none")
    assert set(result["reference"]["healthz"]) == {"p50_ms", "p95_ms", "p99_ms"}
    assert {"cpu", "cores", "memory_gib"} <= set(result["hardware"])


def test_an_empty_shop_is_one_clear_error(directory: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["-C", str(directory), "bench", "serve"]) == 1
    assert "received 0 users and 0 items" in capfd.readouterr().err


def test_a_server_that_is_not_there_is_one_clear_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["bench", "serve", "--url", "http://127.0.0.1:1"]) == 1
    assert "is the server running?" in capsys.readouterr().err


def test_only_benchmarks_that_exist_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["bench", "--help"]) == 0
    listed = capsys.readouterr().out.partition("Commands:")[2].split()
    assert "serve" in listed
    assert not {"train", "index", "features"} & set(listed)


def test_quantiles_of_known_times() -> None:
    times = [float(number) for number in range(1, 102)]  # 1 ... 101
    assert Quantiles.of(times) == Quantiles(51.0, 96.0, 100.0)
    assert Quantiles.of([7.0]) == Quantiles(7.0, 7.0, 7.0)
    assert Quantiles.of([3.0, 1.0, 2.0]).p50_ms == statistics.median([1.0, 2.0, 3.0])
