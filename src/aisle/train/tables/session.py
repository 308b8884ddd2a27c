"""What ``aisle train`` does with a table recipe: data prepared once, then one training, or one per seed or fold."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from pathlib import Path

from aisle.data.datasets import cache_directory
from aisle.errors import ConfigError
from aisle.progress import Progress, silent
from aisle.recipe import TableRecipe
from aisle.train.engine.devices import training_device
from aisle.train.recipe_run import RunPlan
from aisle.train.seed_runs import check_seeds
from aisle.train.sharding.distributed import check_ranks
from aisle.train.tables.data import PreparedTable, prepare_table
from aisle.train.tables.directory import TRAIN_SET, TableDirectory
from aisle.train.tables.distillation import soft_labels
from aisle.train.tables.folds import train_folds
from aisle.train.tables.prepared_cache import prune
from aisle.train.tables.run import BuildTable, TableTraining, train_table
from aisle.train.tables.seeds import train_seeds

logger = logging.getLogger(__name__)


def prepared_directory() -> Path:
    """Where prepared tables are kept, below the cache; removing it costs the time of preparing again."""
    return cache_directory() / "prepared"


def train_table_recipe(
    recipe: TableRecipe,
    output: Path,
    build: BuildTable,
    *,
    plan: RunPlan | None = None,
    resume: bool = False,
    num_ranks: int = 1,
    progress: Progress = silent,
) -> TableDirectory:
    """Train a table recipe as a plan says.

    Args:
        recipe: What to train.
        output: The run directory.
        build: Makes the model.
        plan: Seeds or folds; missing: one training under the recipe's seed.
        resume: Go on with what was interrupted there.
        num_ranks: Processes that share the tables and the rows of every batch of a training.
        progress: Told of each step.

    Raises:
        ConfigError: the recipe or the directory is not as it must be, or the plan is none for the recipe.
        DataError: the data is not as it must be.
        BackendUnavailableError: several ranks need libraries that are not installed.
    """
    plan = plan or RunPlan()
    _check(recipe, plan)
    if num_ranks > 1:
        check_ranks(recipe.training.table_optimizer, recipe.training.table_l2, recipe.training.device)
    training_device(recipe.training.device)  # before data is prepared for one that there is not
    run = TableDirectory(output)
    if resume and run.is_written:  # nothing is left to do, whether or not its data is still there
        run.begin(recipe, plan, resume=True)
        return run
    table = prepared(recipe, progress)
    training = TableTraining(table, build, resume=resume, num_ranks=num_ranks, progress=progress)
    if recipe.distill is not None:
        label_R = table.rows[TRAIN_SET].label_R
        training = replace(training, soft_label_R=soft_labels(recipe.distill, recipe.data, label_R, progress))
    if plan.seeds:
        return train_seeds(recipe, plan.seeds, output, training)
    if plan.folds:
        return train_folds(recipe, plan.folds, output, training)
    return train_table(recipe, output, training)


def prepared(recipe: TableRecipe, progress: Progress = silent) -> PreparedTable:
    """A recipe's rows, from the cache where they were prepared before; what nobody used for long may leave it."""
    started = time.perf_counter()
    table = prepare_table(recipe, prepared_directory(), progress)
    logger.info("prepared %s in %.1f s", table.directory, time.perf_counter() - started)
    prune(prepared_directory(), used=table.directory)
    return table


def _check(recipe: TableRecipe, plan: RunPlan) -> None:
    if plan.seeds and plan.folds:
        raise ConfigError("expected --seeds or --folds, received both; folds are drawn by the recipe's one seed")
    check_seeds(plan.seeds)
    if plan.folds and not 2 <= plan.folds <= 255:
        raise ConfigError(f"--folds: expected from 2 to 255, received {plan.folds}")
    if plan.folds and recipe.data.tasks:
        raise ConfigError("--folds: expected a recipe of one label, whose predictions are for students, got several")
    if plan.folds and recipe.distill is not None:
        raise ConfigError("--folds: expected a recipe without distill: its predictions are for students, received one")
