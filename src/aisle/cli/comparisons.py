"""What reports of `aisle compare` share: what is said of a run, of its spread over seeds, and of a difference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aisle.train.recipe_run import RecipeRun

VERDICTS = {"better": "better", "worse": "worse", "tie": "no difference shown"}


def add_trainings(report: dict[str, Any], runs: Mapping[str, RecipeRun]) -> None:
    """Say of each method of a report which model it is, under which seeds."""
    for name, run in runs.items():
        metrics = run.read_metrics()
        report["methods"][name] |= {key: metrics[key] for key in ("model", "seed", "seeds") if key in metrics}


def with_spread(method: dict[str, Any], metric: str, *, digits: int) -> str:
    """A metric, and over several seeds how far they are apart."""
    value = f"{method['metrics'][metric]:.{digits}f}"
    spread = method["deviations"].get(metric)
    return value if spread is None else f"{value} +- {spread:.{digits}f}"


def warn_of_one_seed(report: dict[str, Any]) -> None:
    """Say what a run of one seed leaves open, where there is one."""
    if any(one["num_seeds"] == 1 for one in report["methods"].values()):
        click.echo("\nRuns of one seed: another seed may turn a small difference (aisle train --seeds 0,1,2).")
