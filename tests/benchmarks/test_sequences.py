"""Benchmarks of sequence models: their measurements have what charts and documents read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from aisle.cli.hardware import describe_hardware
from benchmarks import lists, sequence_scale, sequence_speed
from benchmarks.charts import charts


def test_costs_of_sequences_and_candidates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequence_scale, "POSITIONS", 64)
    monkeypatch.setattr(sequence_scale, "HISTORY_ITEMS", 8)
    measured = {
        "lengths": sequence_scale.measure_lengths((16, 32), 1),
        "candidates": sequence_scale.measure_candidates((1, 3), 1),
    }
    assert [row["sequences"] for row in measured["lengths"]] == [4, 2]
    times = [row["microseconds_per_position"] for row in measured["lengths"]]
    times += [row["milliseconds"] for row in measured["candidates"]]
    assert all(value > 0 for row in times for value in row.values())
    (tmp_path / "sequence_scale.json").write_text(json.dumps(measured | {"hardware": describe_hardware()}))
    drawn = charts(tmp_path)["sequence_scale.svg"]
    assert drawn.count("<polyline") == 4
    assert "one by one" in drawn


def test_speed_beside_the_common_way(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"NUM_ITEMS": 30, "LENGTH": 8, "DIM": 4, "BATCH": 4}.items():
        monkeypatch.setattr(sequence_speed, name, value)
    found = sequence_speed.measure(1)
    assert set(found) > {"prefix transformer, float32", "sasrec, bfloat16", "hstu, bfloat16"}
    for name, one in found.items():
        told = 1 if name.startswith("prefix") else 8
        assert one["told_positions_per_second"] == pytest.approx(told * one["sequences_per_second"], rel=0.01)


def test_each_study_s_recipes_are_there_and_its_reference_among_them() -> None:
    for study in lists.STUDIES.values():
        assert study.reference in study.methods
        for name, *overrides in study.methods.values():
            recipe = lists.load(name, overrides)
            assert isinstance(recipe, lists.ListRecipe)
            told = {f"test/{metric}" for metric in recipe.metrics}
            assert {metric.rsplit("/", 1)[0] for metric in study.metrics if metric.count("/") == 2} <= told
