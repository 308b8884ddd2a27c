"""What `aisle compare` does with runs over lists."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from aisle.cli.comparisons import VERDICTS, add_trainings, warn_of_one_seed, with_spread
from aisle.cli.output import write_json, write_table


def compare_list_runs(runs: Mapping[str, Path], *, confidence: float, as_json: bool) -> None:
    """Compare runs, by name, with the first of them, question by question; and report."""
    from aisle.evaluate.list_comparison import compare_answers
    from aisle.train.lists.directory import ListDirectory

    directories = {name: ListDirectory(path.resolve()) for name, path in runs.items()}
    report = compare_answers({name: one.answers() for name, one in directories.items()}, confidence=confidence)
    add_trainings(report, directories)
    if as_json:
        write_json(report)
        return
    _write(report)


def _write(report: dict[str, Any]) -> None:
    metrics = next(iter(report["methods"].values()))["metrics"]
    click.echo(f"{report['questions']:,} test questions")
    rows = [
        (name, one["model"], one["num_seeds"], *(with_spread(one, metric, digits=4) for metric in metrics))
        for name, one in report["methods"].items()
    ]
    write_table(("run", "model", "seeds", *(metric.removeprefix("test/") for metric in metrics)), rows)
    click.echo(f"\nAgainst {report['reference']}, with {100 * report['confidence']:g} % intervals over questions")
    differences = [
        (name, metric, *(f"{one[key]:+.4f}" for key in ("value", "low", "high")), VERDICTS[one["verdict"]])
        for name, found in report["differences"].items()
        for metric, one in found.items()
    ]
    write_table(("run", "metric", "difference", "from", "to", "verdict"), differences)
    warn_of_one_seed(report)
