"""Rankers of clicks and purchases together beside a model of each alone, on a simulated shop's lists.

The shop and the table of its impressions are those that `recipes/simulated-multi-task.yaml` names. Writes
`benchmarks/results/multi_task.json`; a run that is kept is not made again.

    python -m benchmarks.multi_task --seeds 0,1,2 --keep DIR
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl

from aisle.cli.hardware import describe_hardware
from aisle.data.datasets import write_parquet
from aisle.data.impressions import impression_table
from aisle.data.simulate import simulate_shop
from aisle.evaluate.comparison import difference
from aisle.train.tables.directory import TableDirectory
from benchmarks.criteo import METRICS, train_entry
from benchmarks.criteo_models import Entry

RESULTS = Path(__file__).parent / "results"
RECIPE = "simulated-multi-task"
TASKS = ("click", "purchase")
#: Users, items and days.
SHOP = (3000, 300, 90)
#: What is set, and the layers of a model of one label that is as deep.
MODELS: dict[str, tuple[tuple[str, ...], tuple[int, ...]]] = {
    "shared-bottom": (("model.kind=shared-bottom",), (256, 128, 64)),
    "mmoe": (("model.kind=mmoe",), (256, 128, 64)),
    "esmm": ((), (64,)),
}


def single_overrides(task: str, layers: Sequence[int]) -> tuple[str, ...]:
    """What makes the recipe that of a model of one label."""
    return "data.labels=null", f"data.label={task}", f"model={{kind: dnn, deep_layers: {list(layers)}}}"


def single_name(layers: Sequence[int]) -> str:
    """What two models of a label each are called together."""
    return f"dnn of each label, layers {', '.join(map(str, layers))}"


class Study:
    """Trainings on one table of impressions.

    Args:
        table: The impressions.
        directory: Keeps the runs.
        seeds: Of each training.
    """

    def __init__(self, table: Path, directory: Path, seeds: Sequence[int]) -> None:
        self._table = table
        self._directory = directory
        self._seeds = seeds

    def measure(self) -> dict[str, Any]:
        """Each model of both labels, and those of one label beside them."""
        found: dict[str, Any] = {}
        singles = {}
        for layers in dict.fromkeys(layers for _, layers in MODELS.values()):
            of_layers = {task: self._train(single_overrides(task, layers)) for task in TASKS}
            singles[layers] = of_layers
            found[single_name(layers)] = _of_both(of_layers) | {
                "commands": [self._command(single_overrides(task, layers)) for task in TASKS]
            }
        for name, (overrides, layers) in MODELS.items():
            run = self._train(overrides)
            metrics = run.read_metrics()
            found[name] = {one: metrics[one] for one in ("parameters", "metrics", "deviations", "data")} | {
                "single": single_name(layers),
                "minus_single": {task: _gaps(run, task, singles[layers][task]) for task in TASKS},
                "commands": [self._command(overrides)],
            }
        return found

    def _train(self, overrides: tuple[str, ...]) -> TableDirectory:
        entry = Entry(RECIPE, (*overrides, f"data.train={self._table}"))
        recipe = entry.load()
        name = "-".join([recipe.model.kind, *map(str, getattr(recipe.model, "deep_layers", ()))])
        name += "" if recipe.data.tasks else f"-{recipe.data.label}"
        print(f"{name} ...", flush=True)
        return train_entry(entry, self._directory / name, self._seeds)

    def _command(self, overrides: tuple[str, ...]) -> str:
        return Entry(RECIPE, overrides).command(f"--seeds {','.join(map(str, self._seeds))} -o OUT")


def _of_both(runs: Mapping[str, TableDirectory]) -> dict[str, Any]:
    """The metrics of a model of each label, named as those of one model of both."""
    each = {task: run.read_metrics() for task, run in runs.items()}
    return {
        "parameters": sum(one["parameters"] for one in each.values()),
        **{
            part: {f"{name}/{task}": value for task, one in each.items() for name, value in one[part].items()}
            for part in ("metrics", "deviations")
        },
    }


def _gaps(run: TableDirectory, task: str, single: TableDirectory) -> dict[str, Any]:
    """What one of several labels gains on a model of its own."""
    ours = [one.predictions(f"test@{task}") for one in run.trainings()]
    theirs = [one.predictions("test") for one in single.trainings()]
    return {metric: asdict(difference(ours, theirs, metric)) for metric in METRICS}


def simulate(directory: Path) -> Path:
    """The impressions of the shop that the recipe names, once."""
    path = directory / "impressions.parquet"
    if not path.exists():
        shop = simulate_shop(*SHOP)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_parquet(impression_table(shop.items, shop.events), path)
    return path


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=lambda text: [int(part) for part in text.split(",")], default=[0, 1, 2])
    parser.add_argument("--keep", type=Path, help="a directory that keeps the runs, to go on from")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the file is written")
    arguments = parser.parse_args()
    kept = nullcontext(arguments.keep) if arguments.keep else tempfile.TemporaryDirectory(prefix="aisle-multi-task-")
    with kept as folder:
        table = simulate(Path(folder).resolve())
        methods = Study(table, Path(folder), arguments.seeds).measure()
        counts = pl.read_parquet(table, columns=list(TASKS))
    result = {
        "benchmark": "multi_task",
        "protocol": "a simulated shop's impressions in the order of time, 80/10/10; the recipe's settings, not tuned",
        "shop": dict(zip(("users", "items", "days"), SHOP, strict=True)),
        "rows": len(counts),
        "positives": {task: int(counts[task].sum()) for task in TASKS},
        "hardware": describe_hardware(),
        "seeds": arguments.seeds,
        "methods": methods,
    }
    path = arguments.results / "multi_task.json"
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(path)


if __name__ == "__main__":
    main()
