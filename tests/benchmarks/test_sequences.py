"""Benchmarks of sequence models: their measurements have what charts and documents read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from aisle.cli.hardware import describe_hardware
from aisle.data.item_lists import ItemLists
from benchmarks import lists, sequence_peers, sequence_scale, sequence_speed
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


def test_speed_where_the_last_position_is_told_and_where_all_are() -> None:
    shape = sequence_speed.full_sequences(batch=4, length=8, items=30, dim=4)
    variants = sequence_speed.measure(shape, 1, {})["variants"]
    assert len(variants) == 8
    for name, one in variants.items():
        told = 8 if name.endswith("every position") else 1
        assert one["told_positions_per_second"] == pytest.approx(told * one["sequences_per_second"], rel=0.01)


def test_a_row_for_each_prefix() -> None:
    rows = sequence_speed.prefixes(ItemLists.of([[5, 2, 7], [4], [1, 3]]))
    assert [row.tolist() for row in rows] == [[5, 2], [5, 2, 7], [1, 3]]
    padded = sequence_peers.padded_rows(rows, 3)
    assert padded["item_id_list"].tolist() == [[6, 0, 0], [6, 3, 0], [2, 0, 0]]
    assert padded["item_length"].tolist() == [1, 2, 1]
    assert padded["item_id"].tolist() == [3, 8, 4]


def test_a_peer_runs_as_its_package_has_it_and_without_its_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = []

    class Network(nn.Module):
        def __init__(self, settings: Mapping[str, Any], dataset: Any) -> None:
            super().__init__()
            self.items = nn.Embedding(dataset.num("item_id"), settings["hidden_size"])

        def calculate_loss(self, rows: Mapping[str, Tensor]) -> Tensor:
            watched.append(torch.is_anomaly_enabled())
            return self.items(rows["item_id_list"]).sum()

    module = SimpleNamespace(SASRec=Network)
    monkeypatch.setattr("importlib.import_module", lambda name: module)
    passes = sequence_peers.recbole_passes(sequence_speed.full_sequences(batch=4, length=8, items=30, dim=4))
    for one in passes.values():
        one.run()
        assert (one.rows, one.told, one.num_batches) == (4, 4, 1)
    assert watched == [True, False] and not torch.is_anomaly_enabled()


def test_each_study_s_recipes_are_there_and_its_reference_among_them() -> None:
    for study in lists.STUDIES.values():
        assert study.reference in study.methods
        assert {method for pair in study.pairs for method in pair} <= set(study.methods)
        assert set(study.same) <= set(study.others) and set(study.same.values()) <= set(study.methods)
        for name, *overrides in study.methods.values():
            recipe = lists.load(name, overrides)
            assert isinstance(recipe, lists.ListRecipe)
            told = {f"test/{metric}" for metric in recipe.metrics}
            assert {metric.rsplit("/", 1)[0] for metric in study.metrics if metric.count("/") == 2} <= told
