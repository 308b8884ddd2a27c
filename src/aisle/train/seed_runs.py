"""Trainings of one recipe under several seeds, one after the other, and what their metrics say together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from aisle.errors import ConfigError
from aisle.progress import Progress, silent
from aisle.recipe import ActionRecipe, ListRecipe, TableRecipe

Seeded = TypeVar("Seeded", TableRecipe, ListRecipe, ActionRecipe)
Run = TypeVar("Run")


def check_seeds(seeds: Sequence[int]) -> None:
    """Raise where there are no seeds to compare.

    Raises:
        ConfigError: there is one, or one twice.
    """
    if seeds and (len(seeds) < 2 or len(set(seeds)) < len(seeds)):
        raise ConfigError(f"--seeds: expected two or more different seeds, received {list(seeds)}; one: --set seed=N")


def train_each_seed(
    recipe: Seeded, seeds: Sequence[int], train: Callable[[Seeded], Run], progress: Progress = silent
) -> list[Run]:
    """Train a recipe once for each seed.

    Args:
        recipe: What to train.
        seeds: Two or more.
        train: Trains the recipe of one seed, or goes on with what is there.
        progress: Told of seeds done.
    """
    runs: list[Run] = []
    for seed in seeds:
        progress("train the seeds", len(runs), len(seeds))
        runs.append(train(recipe.model_copy(update={"seed": seed})))
    progress("train the seeds", len(runs), len(seeds))
    return runs


def summarize(each: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What trainings of one model on the same data say together.

    Args:
        each: ``metrics.json`` of every training.

    Returns:
        The same for all of them: of the metrics that all have the mean (``metrics``), the sample standard deviation
        (``deviations``) and all values (``per_run``); of ``timing`` the seconds in all, speed and epochs on average.
    """
    names = [name for name in each[0]["metrics"] if all(name in one["metrics"] for one in each)]
    per_run = {name: [one["metrics"][name] for one in each] for name in names}
    timing = [one["timing"] for one in each]
    return {
        **{name: each[0][name] for name in ("model", "parameters", "model_bytes")},
        "metrics": {name: float(np.mean(values)) for name, values in per_run.items()},
        "deviations": {name: float(np.std(values, ddof=1)) for name, values in per_run.items()},
        "per_run": per_run,
        "timing": {
            "train_seconds": round(sum(one["train_seconds"] for one in timing), 3),
            "samples_per_second": round(float(np.mean([one["samples_per_second"] for one in timing])), 1),
            "epochs": round(float(np.mean([one["epochs"] for one in timing])), 3),
        },
        "data": each[0]["data"],
    }
