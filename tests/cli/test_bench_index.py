"""aisle bench index: its JSON, its table, and clear errors."""

from __future__ import annotations

import json

import pytest

from aisle.cli.entry import run

SMALL = ["bench", "index", "--vectors", "1500", "--dimension", "8", "--queries", "10", "-k", "5"]


def test_one_json_object_names_sizes_and_the_machine(capfd: pytest.CaptureFixture[str]) -> None:
    arguments = ["--kinds", "exact,hnsw:ef_search=30,ivf", "--filter-share", "0.5", "--random", "--seed", "3", "--json"]
    assert run([*SMALL, *arguments]) == 0
    result = json.loads(capfd.readouterr().out)
    assert (result["bench"], result["k"], result["threads"], result["seed"]) == ("index", 5, 1, 3)
    assert (result["filter_share"], result["vector_distribution"]) == (0.5, "random")
    assert list(result["kinds"]) == ["exact", "hnsw:ef_search=30", "ivf"]
    assert result["kinds"]["hnsw:ef_search=30"]["settings"]["ef_search"] == 30
    assert result["kinds"]["exact"]["filtered"]["recall"] == 1
    assert {"p50_ms", "p95_ms", "p99_ms", "queries_per_second"} <= set(result["kinds"]["ivf"]["unfiltered"])
    assert {"cpu", "cores", "memory_gib"} <= set(result["hardware"])


def test_a_table_for_people(capfd: pytest.CaptureFixture[str]) -> None:
    assert run([*SMALL, "--kinds", "exact,flat"]) == 0
    shown = capfd.readouterr().out
    assert "unfiltered, top 5 of 1,500 x 8" in shown
    assert [line.split()[0] for line in shown.splitlines() if line.startswith(("exact", "flat"))] == [
        "exact",
        "flat",
    ] * 2


def test_what_cannot_be_is_one_clear_error(capfd: pytest.CaptureFixture[str]) -> None:
    assert run([*SMALL, "--kinds", "tree"]) == 1
    assert "expected one of exact, flat, int8, hnsw, ivf, pq" in capfd.readouterr().err
    assert run([*SMALL, "--kinds", "pq"]) == 1
    assert "expected at least 9,984 vectors" in capfd.readouterr().err


def test_a_kind_that_nobody_named_is_left_out_where_vectors_are_too_few(capfd: pytest.CaptureFixture[str]) -> None:
    small = [*SMALL[:2], "--vectors", "5000", *SMALL[4:]]
    assert run([*small, "--json"]) == 0
    result = json.loads(capfd.readouterr().out)
    assert list(result["kinds"]) == ["exact", "flat", "int8", "hnsw", "ivf"]
    assert list(result["left_out"]) == ["pq"]
    assert run(small) == 0
    assert "pq is left out: index pq: expected at least 9,984 vectors" in capfd.readouterr().out
    assert run([*small, "--kinds", "exact,pq"]) == 1
    assert "expected at least 9,984 vectors" in capfd.readouterr().err
