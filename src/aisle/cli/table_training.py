"""What ``aisle train`` does with the recipe of a table; it opens no workspace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from aisle.cli.output import write_table
from aisle.cli.run_options import RunOptions, report_run, training_at

if TYPE_CHECKING:
    from aisle.recipe import TableRecipe


def train_table_run(recipe: TableRecipe, options: RunOptions) -> None:
    """Train, and report."""
    from aisle.assemble import table_ranker
    from aisle.train.tables.directory import TableDirectory
    from aisle.train.tables.session import train_table_recipe

    output = options.directory(recipe.name)
    with training_at(output) as progress:
        run = train_table_recipe(
            recipe,
            output,
            table_ranker,
            plan=options.plan(TableDirectory(output)),
            resume=options.resume,
            num_ranks=options.procs or 1,
            progress=progress,
        )
    report_run(run, options.as_json, write_metrics)


def write_metrics(metrics: dict[str, Any]) -> None:
    """A table of metrics; of several trainings with their spread, beside those of their mean prediction."""
    if "deviations" not in metrics:
        write_table(("metric", "value"), _rounded(metrics["metrics"]))
        return
    mean, spread, ensemble = metrics["metrics"], metrics["deviations"], metrics["mean_prediction"]
    rows = [(name, _text(mean[name]), _text(spread[name]), _text(ensemble["metrics"][name])) for name in mean]
    write_table(("metric", "mean", "deviation", "mean prediction"), rows)
    click.echo("\nThe mean prediction (of logits), with 95 % intervals over the rows; what it gains over one training:")
    intervals = [
        (name, *(_text(found[key]) for key in ("value", "gain")), *(_ends(found[key]) for key in _INTERVALS))
        for name, found in ensemble["intervals"].items()
    ]
    write_table(("metric", "value", "gain", "interval", "interval of the gain"), intervals)


_INTERVALS = ("interval", "gain_interval")


def _rounded(metrics: dict[str, float]) -> list[tuple[str, str]]:
    return [(name, _text(value)) for name, value in metrics.items()]


def _text(value: float) -> str:
    """Five digits: models over tables differ in the fourth."""
    return f"{value:.5f}"


def _ends(interval: list[float]) -> str:
    return f"{interval[0]:.5f} to {interval[1]:.5f}"
