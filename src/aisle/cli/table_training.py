"""What ``aisle train`` does with the recipe of a table; it opens no workspace."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aisle.cli.output import write_json, write_table
from aisle.cli.progress import show_progress

if TYPE_CHECKING:
    from aisle.recipe import TableRecipe


@dataclass(frozen=True)
class TableOptions:
    """The options of the command that speak of tables."""

    output: Path | None
    resume: bool
    seeds: str | None
    folds: int | None
    procs: int | None
    as_json: bool


def of_table(output: Path) -> bool:
    """Whether a run directory is of the recipe of a table."""
    from aisle.train.tables.directory import is_table_run

    return is_table_run(output)


def unfinished_table(output: Path) -> TableRecipe:
    """The recipe of the run at a directory."""
    from aisle.train.tables.directory import TableDirectory

    return TableDirectory(output).recipe()


def train_table_run(recipe: TableRecipe, options: TableOptions) -> None:
    """Train, and report."""
    from aisle.assemble import table_ranker
    from aisle.train.recipe_run import RunPlan
    from aisle.train.tables.directory import TableDirectory
    from aisle.train.tables.session import train_table_recipe

    output = options.output or Path(f"{recipe.name}-{dt.datetime.now().strftime('%Y%m%d-%H%M%S')}")
    plan = RunPlan(_seeds(options.seeds), options.folds or 0)
    if options.resume and plan == RunPlan() and of_table(output):
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


def _seeds(text: str | None) -> tuple[int, ...]:
    parts = [] if text is None else text.split(",")
    if not all(part.strip().isdecimal() for part in parts):
        raise click.BadParameter(
            f"expected numbers from 0 on with commas between, received {text!r}", param_hint="--seeds"
        )
    return tuple(int(part) for part in parts)


def _rounded(metrics: dict[str, float]) -> list[tuple[str, str]]:
    return [(name, _text(value)) for name, value in metrics.items()]


def _text(value: float) -> str:
    """Five digits: models over tables differ in the fourth."""
    return f"{value:.5f}"


def _ends(interval: list[float]) -> str:
    return f"{interval[0]:.5f} to {interval[1]:.5f}"
