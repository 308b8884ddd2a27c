"""What `aisle train` and `aisle evaluate` do with the recipe of lists; they open no workspace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aisle.cli.output import write_json, write_table
from aisle.cli.progress import show_progress
from aisle.cli.run_options import RunOptions, report_run, training_at

if TYPE_CHECKING:
    from aisle.recipe import ListRecipe


def train_list_run(recipe: ListRecipe, options: RunOptions) -> None:
    """Train, and report."""
    with needing_torch():
        from aisle.train.lists.registry import fit_lists
    from aisle.train.lists.directory import ListDirectory
    from aisle.train.lists.run import train_list_recipe

    output = options.directory(recipe.name)
    seeds = options.plan(ListDirectory(output)).seeds
    with training_at(output) as progress:
        run = train_list_recipe(recipe, output, fit_lists, seeds=seeds, resume=options.resume, progress=progress)
    report_run(run, options.as_json, write_list_metrics)


def evaluate_list(path: Path, as_json: bool) -> None:
    """Measure a run again by its bundle, and report."""
    with needing_torch():
        from aisle.train.lists.registry import load_recommender
    from aisle.train.lists.directory import ListDirectory
    from aisle.train.lists.run import evaluate_list_run

    run = ListDirectory(path.resolve())
    with show_progress() as progress:
        report = evaluate_list_run(run, partial(load_recommender, run.recipe()), progress)
    if as_json:
        write_json(report)
        return
    click.echo(f"{report['counts']['test_rows']:,} questions, {report['counts']['items']:,} items")
    write_list_metrics(report)


@contextmanager
def needing_torch() -> Iterator[None]:
    """Say what to install where an import fails."""
    from aisle.errors import BackendUnavailableError

    try:
        yield
    except ImportError as error:
        raise BackendUnavailableError(
            f"expected PyTorch and what belongs to it, {error.name} is not installed; pip install 'aisle[train]'"
        ) from error


def write_list_metrics(metrics: dict[str, Any]) -> None:
    """A table of metrics with 95 % intervals over the questions, or of several trainings with their spread."""
    if "deviations" in metrics:
        rows = [
            (name, f"{value:.4f}", f"{metrics['deviations'][name]:.4f}") for name, value in metrics["metrics"].items()
        ]
        write_table(("metric", "mean over seeds", "deviation"), rows)
        return
    intervals = metrics["intervals"]
    rows = [
        (name, f"{value:.4f}", " to ".join(f"{end:.4f}" for end in intervals.get(name, ())))
        for name, value in metrics["metrics"].items()
    ]
    write_table(("metric", "value", "interval"), rows)
