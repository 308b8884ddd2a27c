"""Settings of single models on the Criteo sample, chosen by the validation rows; no test row is looked at.

Each setting is trained under several seeds. What stands in `benchmarks/results/criteo_tuning.json` under the same seeds
is not trained again, so that a killed run goes on; the benchmark itself (`python -m benchmarks.criteo`) takes the
choices from `criteo_models`.

    python -m benchmarks.criteo_tuning --seeds 0,1,2 --processes 2
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from aisle.assemble import table_ranker
from aisle.cli.hardware import describe_hardware
from aisle.train.engine.loop import train_ranker
from aisle.train.engine.loop_settings import LoopSettings
from aisle.train.tables.session import prepared
from benchmarks.criteo_grids import GRIDS
from benchmarks.criteo_models import Entry

RESULTS = Path(__file__).parent / "results" / "criteo_tuning.json"
METRICS = ("auc", "logloss")
#: A model, its settings, and seeds.
Trial = tuple[str, tuple[str, ...], tuple[int, ...]]
Found = dict[Trial, dict[str, Any]]


def validate(entry: Entry, seeds: Sequence[int]) -> dict[str, list[float]]:
    """AUC and log loss of the validation rows, of the weights that are best there, by seed."""
    torch.set_num_threads(1)
    recipe = entry.load()
    table = prepared(recipe)
    found: dict[str, list[float]] = {metric: [] for metric in METRICS}
    for seed in seeds:
        seeded = table.recipe.model_copy(update={"seed": seed})
        ranker = table_ranker(seeded, table.dense_names, table.table_sizes)
        settings = LoopSettings(**recipe.training.model_dump(), seed=seed)
        best = train_ranker(ranker, table.rows["train"], table.rows["valid"], settings).best
        assert best is not None, "every training looks at the validation rows"
        found["auc"].append(best.auc)
        found["logloss"].append(best.log_loss)
    return found


def first_trials(names: Sequence[str], seeds: Sequence[int]) -> Iterator[Trial]:
    """All settings of the models: under every seed, or under the first one where the best go on."""
    for name in names:
        grid = GRIDS[name]
        for overrides in grid.trials:
            yield name, overrides, tuple(seeds if grid.finalists is None else seeds[:1])


def final_trials(names: Sequence[str], seeds: Sequence[int], found: Found) -> Iterator[Trial]:
    """Those that go on to every seed, by the log loss under the first one."""
    for name in names:
        grid = GRIDS[name]
        if grid.finalists is not None:
            first = [found[name, overrides, tuple(seeds[:1])] for overrides in grid.trials]
            for one in sorted(first, key=lambda one: float(one["valid/logloss"]))[: grid.finalists]:
                yield name, tuple(one["set"]), tuple(seeds)


def measure(trial: Trial) -> dict[str, Any]:
    """One setting: means over seeds, and their deviations."""
    name, overrides, seeds = trial
    values = validate(GRIDS[name].entry(overrides), seeds)
    found: dict[str, Any] = {"model": name, "set": list(overrides), "seeds": list(seeds)}
    for metric, of_seeds in values.items():
        found[f"valid/{metric}"] = statistics.fmean(of_seeds)
        found[f"valid/{metric}/deviation"] = statistics.stdev(of_seeds) if len(seeds) > 1 else 0.0
    return found


def _line(one: dict[str, Any]) -> str:
    measures = " ".join(f"{one[f'valid/{metric}']:.5f} ({one[f'valid/{metric}/deviation']:.5f})" for metric in METRICS)
    return f"{measures}  {one['model']}: {' '.join(one['set']) or 'as it is'}"


def _key(one: dict[str, Any]) -> Trial:
    return one["model"], tuple(one["set"]), tuple(one["seeds"])


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", type=lambda text: text.split(";"), default=list(GRIDS), help="models, between ;")
    parser.add_argument("--seeds", type=lambda text: [int(part) for part in text.split(",")], default=[0, 1, 2])
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--results", type=Path, default=RESULTS, help="the file that is written, and gone on from")
    arguments = parser.parse_args()
    seeds, path = arguments.seeds, arguments.results
    known = json.loads(path.read_text(encoding="utf-8"))["trials"] if path.is_file() else []
    kept = {_key(one): one for one in known}
    with multiprocessing.get_context("spawn").Pool(arguments.processes) as pool:
        for stage in (first_trials(arguments.only, seeds), final_trials(arguments.only, seeds, kept)):
            for one in pool.imap_unordered(measure, [trial for trial in stage if trial not in kept]):
                print(_line(one), flush=True)
                kept[_key(one)] = one
                _write(path, kept)
    _write(path, kept)
    print(path)


def _write(path: Path, kept: Found) -> None:
    """Trials that are still in the grids: by model, those of most seeds first, the best of them first."""
    listed = {(name, overrides) for name, grid in GRIDS.items() for overrides in grid.trials}
    ordered = sorted(
        (one for trial, one in kept.items() if trial[:2] in listed),
        key=lambda one: (list(GRIDS).index(one["model"]), -len(one["seeds"]), one["valid/logloss"]),
    )
    document = {"benchmark": "criteo_tuning", "hardware": describe_hardware(), "trials": ordered}
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
