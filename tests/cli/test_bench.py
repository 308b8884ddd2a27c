"""aisle bench serve: its numbers, its clear errors, and that other benchmarks are absent until they exist."""

from __future__ import annotations

import json
import shutil
import statistics
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from aisle.cli.bench_ranker import with_exactly
from aisle.cli.entry import run
from aisle.cli.quantiles import Quantiles
from aisle.pipeline import Merged
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
    assert {"index", "train"} <= set(listed)
    assert "features" not in listed


def test_quantiles_of_known_times() -> None:
    times = [float(number) for number in range(1, 102)]  # 1 ... 101
    assert Quantiles.of(times) == Quantiles(51.0, 96.0, 100.0)
    assert Quantiles.of([7.0]) == Quantiles(7.0, 7.0, 7.0)
    assert Quantiles.of([3.0, 1.0, 2.0]).p50_ms == statistics.median([1.0, 2.0, 3.0])


def test_a_ranked_placement_is_also_measured_in_parts(
    ranked_shop: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    directory = shutil.copytree(ranked_shop, tmp_path / "ranked")
    arguments = ["-C", str(directory), "bench", "serve", "--requests", "20", "--warmup", "2"]
    assert run([*arguments, "--json"]) == 0
    ranker = json.loads(capfd.readouterr().out)["ranker"]
    versions = pl.read_parquet(directory / "data" / "items.parquet")
    in_stock = versions.sort("updated_at").group_by("item_id").last()["available"].sum()
    assert 100 < in_stock <= 120
    assert ranker["candidates"] == [in_stock], "a shop of so few items has no 500 candidates"
    assert 0 < ranker["candidates_found"] <= 120
    assert (ranker["requests"], ranker["fallbacks"], ranker["model"]["kind"]) == (20, 0, "field-dlrm")
    for part in ("without_forward", "featurize", "forward"):
        assert 0 < ranker[part]["p50_ms"] <= ranker[part]["p95_ms"] <= ranker[part]["p99_ms"]
    assert ranker["featurize"]["p50_ms"] < ranker["without_forward"]["p50_ms"]
    model = ranker["model"]
    assert model["table_bytes"] == 4 * model["table_parameters"] == 4 * model["table_rows"] * model["embedding_dim"]
    assert model["graph_bytes"] > 1000
    assert run(arguments) == 0
    assert "all but the forward:" in capfd.readouterr().out
    assert run([*arguments, "--placement", "popular", "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["ranker"] is None


def test_exactly_so_many_candidates() -> None:
    scores = np.arange(8, dtype=np.float32).reshape(4, 2)
    found = Merged(np.array([3, 5, 6, 9], np.int32), scores, np.array([[0, 3], [1, 0], [2, 2], [0, 9]], np.int32))
    fewer = with_exactly(found, 2, np.ones(12, np.bool_))
    assert (fewer.rows_K.tolist(), fewer.ranks_KS.tolist()) == ([5, 6], [[1, 0], [2, 2]])
    assert fewer.scores_KS.tolist() == [[2, 3], [4, 5]]
    eligible = np.array([False, False, True, True, False, True, True, True, True, True])
    more = with_exactly(found, 6, eligible)
    assert more.rows_K.tolist() == [2, 3, 5, 6, 7, 9]
    assert more.ranks_KS.tolist() == [[0, 0], [0, 3], [1, 0], [2, 2], [0, 0], [0, 9]]
    assert with_exactly(found, 500, eligible).rows_K.tolist() == [2, 3, 5, 6, 7, 8, 9]
