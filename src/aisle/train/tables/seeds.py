"""Trainings of one table recipe under several seeds: each in a run directory of its own, and what they say together."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aisle.evaluate.predictions import Predictions, bootstrap_ensemble, metric_name, named_metrics
from aisle.recipe import TableRecipe
from aisle.train.recipe_run import RunPlan
from aisle.train.seed_runs import summarize, train_each_seed
from aisle.train.tables.directory import TRAIN_SET, TableDirectory
from aisle.train.tables.run import TableTraining, train_table

logger = logging.getLogger(__name__)


def train_seeds(recipe: TableRecipe, seeds: Sequence[int], output: Path, training: TableTraining) -> TableDirectory:
    """Train a recipe once for each seed, one after the other, and write what they say together.

    ``metrics.json`` holds the mean of each metric, its sample standard deviation and the seeds' values, and of the mean
    of their predictions (of their logits) the metrics with paired bootstrap intervals.

    Args:
        recipe: What to train.
        seeds: At least two.
        output: The directory; ``seed-0`` and so on are below. A training that was interrupted there goes on, if it is
            to be resumed, at the seed where it stopped.
        training: Data, model and how.

    Raises:
        ConfigError: as in :func:`aisle.train.tables.run.train_table`.
    """
    group = TableDirectory(output.resolve())
    group.begin(recipe, RunPlan(seeds=tuple(seeds)), resume=training.resume)
    with group.training():
        if not group.is_written:
            resumed = training.resumed()
            runs = train_each_seed(
                recipe, seeds, lambda one: train_table(one, group.of_seed(one.seed).path, resumed), training.progress
            )
            write_group(group, runs, {"seeds": list(seeds)})
        group.finish()
    return group


def write_group(group: TableDirectory, runs: Sequence[TableDirectory], which: dict[str, Any]) -> None:
    """Write the mean predictions of runs over the same rows, and their metrics.

    Args:
        group: Where.
        runs: Finished ones.
        which: What ``metrics.json`` says beside, or otherwise.
    """
    each = [run.read_metrics() for run in runs]
    names = [name for name in runs[0].prediction_names() if name != TRAIN_SET]
    predicted = {name: [run.predictions(name) for run in runs] for name in names}
    means = {name: Predictions.mean(several) for name, several in predicted.items()}
    for name, one in means.items():
        group.save_predictions(name, one)
    group.write_metrics(
        {
            **summarize(each),
            "mean_prediction": {
                "metrics": named_metrics(means),
                "intervals": {
                    metric_name(name, metric): found
                    for name, several in predicted.items()
                    for metric, found in bootstrap_ensemble(several).items()
                },
            },
            **which,
        }
    )
