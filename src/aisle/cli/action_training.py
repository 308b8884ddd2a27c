"""What `aisle train` and `aisle evaluate` do with the recipe of a ranker of actions; they open no workspace."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aisle.cli.list_training import needing_torch
from aisle.cli.output import write_json, write_table
from aisle.cli.run_options import RunOptions, report_run, training_at

if TYPE_CHECKING:
    from aisle.recipe import ActionRecipe


def train_action_run(recipe: ActionRecipe, options: RunOptions) -> None:
    """Train, and report."""
    with needing_torch():
        from aisle.train.lists.action_run import train_action_recipe
    from aisle.train.lists.action_directory import ActionDirectory

    output = options.directory(recipe.name)
    seeds = options.plan(ActionDirectory(output)).seeds
    with training_at(output) as progress:
        run = train_action_recipe(recipe, output, seeds=seeds, resume=options.resume, progress=progress)
    report_run(run, options.as_json, _write_metrics)


def evaluate_actions(path: Path, as_json: bool) -> None:
    """Measure a run again by its bundle, and report."""
    with needing_torch():
        from aisle.train.lists.action_run import evaluate_action_run
    from aisle.train.lists.action_directory import ActionDirectory

    report = evaluate_action_run(ActionDirectory(path.resolve()))
    if as_json:
        write_json(report)
        return
    click.echo(f"{report['counts']['test_rows']:,} people, {report['counts']['items']:,} items")
    _write_methods({report["model"]: report})


def _write_metrics(metrics: dict[str, Any]) -> None:
    """The model beside the baselines; of several trainings their mean, with the spread over seeds."""
    _write_methods({metrics["model"]: metrics, **metrics["baselines"]})
    if "deviations" in metrics:
        spread = ", ".join(f"{name} {value:.4f}" for name, value in metrics["deviations"].items())
        click.echo(f"\nThe mean over seeds {', '.join(map(str, metrics['seeds']))}; deviation: {spread}")
    _write_differences(metrics["baselines"])


def _write_methods(methods: dict[str, Any]) -> None:
    names = list(next(iter(methods.values()))["metrics"])
    rows = [(method, *(f"{one['metrics'][name]:.4f}" for name in names)) for method, one in methods.items()]
    write_table(("method", *names), rows)


def _write_differences(baselines: dict[str, Any]) -> None:
    """How the model differs from each baseline, with 95 % intervals."""
    click.echo("\nThe model against each, paired over people, with 95 % intervals")
    rows = [
        (name, metric, *(f"{one[key]:+.4f}" for key in ("value", "low", "high")), one["verdict"])
        for name, baseline in baselines.items()
        for metric, one in baseline["differences"].items()
    ]
    write_table(("baseline", "metric", "difference", "from", "to", "verdict"), rows)
