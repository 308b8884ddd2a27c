"""What `aisle compare` does with runs over lists."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from aisle.cli.output import write_json, write_table

_SIGNS = {"better": "better", "worse": "worse", "tie": "no difference shown"}


def compare_list_runs(runs: Mapping[str, Path], *, confidence: float, as_json: bool) -> None:
    """Compare runs, by name, with the first of them, question by question; and report."""
    from aisle.evaluate.list_comparison import compare_answers
    from aisle.train.lists.directory import ListDirectory

    directories = {name: ListDirectory(path.resolve()) for name, path in runs.items()}
    report = compare_answers({name: one.answers() for name, one in directories.items()}, confidence=confidence)
    for name, directory in directories.items():
        metrics = directory.read_metrics()
        report["methods"][name] |= {key: metrics[key] for key in ("model", "seed", "seeds") if key in metrics}
    if as_json:
        write_json(report)
        return
    _write(report)


def _write(report: dict[str, Any]) -> None:
    metrics = next(iter(report["methods"].values()))["metrics"]
    click.echo(f"{report['questions']:,} test questions")
    rows = [
        (name, one["model"], one["num_seeds"], *(_with_spread(one, metric) for metric in metrics))
        for name, one in report["methods"].items()
    ]
    write_table(("run", "model", "seeds", *(metric.removeprefix("test/") for metric in metrics)), rows)
    click.echo(f"\nAgainst {report['reference']}, with {100 * report['confidence']:g} % intervals over questions")
    differences = [
        (name, metric, *(f"{one[key]:+.4f}" for key in ("value", "low", "high")), _SIGNS[one["verdict"]])
        for name, found in report["differences"].items()
        for metric, one in found.items()
    ]
    write_table(("run", "metric", "difference", "from", "to", "verdict"), differences)
    if any(one["num_seeds"] == 1 for one in report["methods"].values()):
        click.echo("\nRuns of one seed: another seed may turn a small difference (aisle train --seeds 0,1,2).")


def _with_spread(method: dict[str, Any], metric: str) -> str:
    value = f"{method['metrics'][metric]:.4f}"
    spread = method["deviations"].get(metric)
    return value if spread is None else f"{value} +- {spread:.4f}"
