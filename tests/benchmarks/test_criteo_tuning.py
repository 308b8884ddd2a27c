"""The settings tried on the Criteo sample: the best go on to all seeds, and the benchmark has what was chosen."""

from __future__ import annotations

import json
import multiprocessing
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks import criteo_tuning
from benchmarks.criteo_grids import GRIDS
from benchmarks.criteo_models import MODELS

RECORDED = json.loads(criteo_tuning.RESULTS.read_text(encoding="utf-8"))["trials"]


@pytest.mark.parametrize("name", GRIDS)
def test_trials_are_different_trainings_to_the_end_of_the_schedule(name: str) -> None:
    recipes = [GRIDS[name].entry(overrides).load() for overrides in GRIDS[name].trials]
    assert len({recipe.model_dump_json() for recipe in recipes}) == len(recipes)
    for recipe in recipes:
        assert recipe.training.patience >= recipe.training.num_epochs * recipe.training.evaluations_per_epoch


@pytest.mark.parametrize("name", GRIDS)
def test_all_trials_are_recorded_and_no_others(name: str) -> None:
    of_model = [trial for trial in RECORDED if trial["model"] == name]
    assert {tuple(trial["set"]) for trial in of_model} == set(GRIDS[name].trials)


@pytest.mark.parametrize("name", [name for name in GRIDS if name != "dlrm, bucketized"])  # which has peers' layers
def test_the_benchmark_has_what_validation_chose(name: str) -> None:
    of_model = [trial for trial in RECORDED if trial["model"] == name]
    most = max(len(trial["seeds"]) for trial in of_model)
    finals = {tuple(trial["set"]): trial["valid/logloss"] for trial in of_model if len(trial["seeds"]) == most}
    best = GRIDS[name].entry(min(finals, key=finals.__getitem__)).load()
    assert most > 1 and MODELS[name].load() == best


class OneProcess:
    """A pool whose work is done here: the later a trial, the better, and all seeds are better than one."""

    def __init__(self) -> None:
        self.trained: list[criteo_tuning.Trial] = []

    def __enter__(self) -> OneProcess:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def imap_unordered(self, _: object, trials: list[criteo_tuning.Trial]) -> Iterator[dict[str, Any]]:
        for name, overrides, seeds in trials:
            self.trained.append((name, overrides, seeds))
            found: dict[str, Any] = {"model": name, "set": list(overrides), "seeds": list(seeds)}
            for metric in criteo_tuning.METRICS:
                found |= {f"valid/{metric}": 0.5 / len(self.trained), f"valid/{metric}/deviation": 0.0}
            yield found


def test_the_best_go_on_to_all_seeds_and_no_trial_is_made_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, grid, pool = tmp_path / "tuning.json", GRIDS["masknet"], OneProcess()
    monkeypatch.setattr(multiprocessing, "get_context", lambda _: SimpleNamespace(Pool=lambda _: pool))
    monkeypatch.setattr(sys, "argv", ["x", "--only", "masknet", "--seeds", "4,5", "--results", str(path)])
    criteo_tuning.main()
    assert grid.finalists is not None
    last = [("masknet", overrides, (4, 5)) for overrides in reversed(grid.trials[-grid.finalists :])]
    assert pool.trained == [("masknet", overrides, (4,)) for overrides in grid.trials] + last
    recorded = json.loads(path.read_text())["trials"]
    assert [len(trial["seeds"]) for trial in recorded] == [2] * len(last) + [1] * len(grid.trials)
    assert recorded[0]["set"] == list(last[-1][1])
    pool.trained.clear()
    criteo_tuning.main()
    assert pool.trained == []
