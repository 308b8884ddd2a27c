"""What ``aisle train`` does with the recipe of a table; it opens no workspace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from aisle.cli.output import write_json, write_table
from aisle.cli.progress import show_progress
from aisle.cli.run_options import RunOptions

if TYPE_CHECKING:
    from aisle.recipe import TableRecipe


def train_table_run(recipe: TableRecipe, options: RunOptions) -> None:
    """Train, and report."""
    from aisle.assemble import table_ranker
    from aisle.train.recipe_run import RunPlan
    from aisle.train.tables.directory import TableDirectory, is_table_run
    from aisle.train.tables.session import train_table_recipe

    output = options.directory(recipe.name)
    plan = RunPlan(options.seeds, options.folds or 0)
    if options.resume and plan == RunPlan() and is_table_run(output):
        plan = TableDirectory(output).plan()
    try:
        with show_progress() as progress:
            run = train_table_recipe(
                recipe,
                output,
                table_ranker,
                plan=plan,
                resume=options.resume,
                num_ranks=options.procs or 1,
                progress=progress,
            )
    except KeyboardInterrupt:
        click.echo(f"What is finished is kept: aisle train --resume -o {output} goes on.", err=True)
        raise
    metrics = run.read_metrics()
    if options.as_json:
        write_json({**metrics, "run": str(run.path)})
        return
    write_metrics(metrics)
    click.echo(f"\nRun: {run.path}")


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
