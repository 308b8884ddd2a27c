"""One training of a list recipe: from files to a run directory, resumed exactly after a kill; or one per seed."""

from __future__ import annotations

import hashlib
import logging
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from aisle.bundle import Bundle, BundleWriter
from aisle.data.list_splits import split_lists
from aisle.data.questions import ListSplit
from aisle.errors import DataError
from aisle.evaluate.full_ranking import ListRecommender, SavedRecommender, evaluate_split
from aisle.evaluate.ratings import rating_errors
from aisle.metrics import bootstrap_mean
from aisle.progress import Progress, silent
from aisle.recipe import ListRecipe, dump
from aisle.recipe.list_models.transitions import BlendSpec
from aisle.train.lists.directory import MODEL_FOLDER, ListDirectory
from aisle.train.recipe_run import RunPlan
from aisle.train.run_files import RECIPE_NAME
from aisle.train.seed_runs import check_seeds, summarize, train_each_seed

logger = logging.getLogger(__name__)

#: The name of each action of the lists, in the order of their rows.
_ACTIONS_NAME = "actions"


@dataclass(frozen=True)
class Fitted:
    """A fitted model, and how many epochs it took (0 where it is fitted at once)."""

    recommender: SavedRecommender
    parameters: int
    num_epochs: int = 0


@dataclass(frozen=True)
class FitTask:
    """What a fit is given beside recipe and data.

    Attributes:
        checkpoints: Where it may keep its state.
        network: The file in which a trained network that can teach is kept for students.
        identity: Of recipe and data: a state of another is refused.
        progress: Told of steps.
    """

    checkpoints: Path
    network: Path
    identity: str
    progress: Progress = silent


class FitLists(Protocol):
    """Fits the model of a recipe on the training lists of a split; goes on with what its checkpoints hold."""

    def __call__(self, recipe: ListRecipe, split: ListSplit, task: FitTask) -> Fitted:
        """The fitted model."""
        ...


def train_list_recipe(
    recipe: ListRecipe,
    output: Path,
    fit: FitLists,
    *,
    seeds: Sequence[int] = (),
    resume: bool = False,
    progress: Progress = silent,
) -> ListDirectory:
    """Train a list recipe and write its run directory; with seeds one training each, and what they say together.

    Args:
        recipe: What to train.
        output: The run directory; one that is finished is left as it is.
        fit: Fits the recipe's model.
        seeds: Two or more; missing: one training under the recipe's seed.
        resume: Go on with what was interrupted there.
        progress: Told of each step.

    Raises:
        ConfigError: the directory has files and is not to be resumed, or is of another recipe.
        DataError: the data is not as it must be.
    """
    check_seeds(seeds)
    run = ListDirectory(output.resolve())
    run.begin(recipe, RunPlan(seeds=tuple(seeds)), resume=resume)
    with run.training():
        if not run.is_written and not seeds:
            _train(recipe, run, fit, progress)
        elif not run.is_written:
            train = partial(_train_seed, run, fit, progress)
            parts = [part.read_metrics() for part in train_each_seed(recipe, seeds, train, progress)]
            run.write_metrics({**summarize(parts), "seeds": list(seeds)})
        run.finish()
    return run


def evaluate_list_run(
    run: ListDirectory, load: Callable[[Bundle, str], ListRecommender], progress: Progress = silent
) -> dict[str, Any]:
    """Measure a finished run again, by its bundle alone, and write ``evaluate.json``.

    Args:
        run: The run.
        load: Opens the model of a bundle in a folder.
        progress: Told of questions done.

    Returns:
        ``metrics`` of the test, their ``intervals``, and ``counts``.

    Raises:
        DataError: the run is not finished, has no bundle, or its data is not there any more, or is another.
    """
    recipe, bundle = run.recipe(), run.open_bundle()
    split, item_ids = split_lists(recipe.data)
    if not item_ids.equals(bundle.read_frame("items")["item_id"]):
        raise DataError(f"{recipe.data.train}: expected the items of the run's training, received others")
    if split.actions and list(split.actions) != bundle.read_json(_ACTIONS_NAME):
        raise DataError(f"{recipe.data.train}: expected the actions of the run's training, received others")
    recommender = load(bundle, MODEL_FOLDER)
    found = evaluate_split(recommender, split, recipe.metrics, progress=progress)
    values = _with_halves(split, found)
    report = {
        "protocol": split.protocol,
        "model": run.read_metrics()["model"],
        "counts": _counts(split),
        "metrics": _means(values) | rating_errors(recommender, split, ["test"]),
        "intervals": _intervals(values),
    }
    run.write_evaluation(report)
    return report


def _train_seed(group: ListDirectory, fit: FitLists, progress: Progress, recipe: ListRecipe) -> ListDirectory:
    return train_list_recipe(recipe, group.of_seed(recipe.seed).path, fit, resume=True, progress=progress)


def _train(recipe: ListRecipe, run: ListDirectory, fit: FitLists, progress: Progress) -> None:
    started = time.perf_counter()
    progress("read the data", 0, None)
    split, item_ids = split_lists(recipe.data)
    logger.info("recipe %s, model %s, seed %d, %s", recipe.name, recipe.model.kind, recipe.seed, _counts(split))
    if not len(split.test):
        raise DataError(f"{recipe.data.train}: expected lists that {recipe.data.split.kind} can ask for, received none")
    fitting = time.perf_counter()
    fitted = fit(recipe, split, FitTask(run.checkpoints, run.network, _identity(recipe, split), progress))
    seconds = time.perf_counter() - fitting
    progress("write the bundle", 0, None)
    shutil.rmtree(run.bundle, ignore_errors=True)  # of a training that was killed behind it
    with BundleWriter(run.bundle, name=recipe.name, version=run.path.name, extra={"seed": recipe.seed}) as writer:
        fitted.recommender.save(writer, MODEL_FOLDER)
        writer.write_frame("items", item_ids.to_frame("item_id"))
        if split.actions:
            writer.write_json(_ACTIONS_NAME, list(split.actions))
        writer.write_text(RECIPE_NAME, dump(recipe))
    # A blend that was fitted anew has learned what validates.
    is_refitted = isinstance(recipe.model, BlendSpec) and recipe.model.refit
    values = {}
    for part in ("test",) if is_refitted else ("valid", "test"):
        if len(getattr(split, part)):
            values[part] = evaluate_split(fitted.recommender, split, recipe.metrics, part=part, progress=progress)
    run.save_questions(_with_halves(split, values["test"]))
    metrics = {name: value for of_part in values.values() for name, value in _means(of_part).items()}
    metrics |= rating_errors(fitted.recommender, split, values)
    document = {
        "model": recipe.model.kind,
        "seed": recipe.seed,
        "parameters": fitted.parameters,
        "model_bytes": Bundle.open(run.bundle, verify=False).num_bytes,
        "metrics": metrics | _halves(split, values["test"]),
        "intervals": _intervals(values["test"]),
        "timing": _timing(recipe, split, fitted, seconds),
        "data": _counts(split),
    }
    logger.info("trained in %.1f s, all in %.1f s", seconds, time.perf_counter() - started)
    run.write_metrics(document)


def _timing(recipe: ListRecipe, split: ListSplit, fitted: Fitted, seconds: float) -> dict[str, float]:
    passes = max(fitted.num_epochs, 1)
    return {
        "train_seconds": round(seconds, 3),
        "samples_per_second": round(passes * len(split.train) / seconds, 1),
        "epochs": fitted.num_epochs,
    }


def _identity(recipe: ListRecipe, split: ListSplit) -> str:
    """What a state must agree with: everything that was told, and the training lists."""
    digest = hashlib.sha256(dump(recipe).encode())
    train = split.train
    for array in (train.starts_R1, train.items_E, train.actions_E, train.times_E, split.valid.targets.items):
        if array is not None:
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _counts(split: ListSplit) -> dict[str, int]:
    left_out = {f"{part}_left_out": getattr(split, part).num_left_out for part in ("valid", "test")}
    return {
        "train_rows": len(split.train.items_E),
        "train_lists": len(split.train),
        "items": split.num_items,
        "valid_rows": len(split.valid),
        "test_rows": len(split.test),
        **{name: count for name, count in left_out.items() if count},
    }


def _means(values: Mapping[str, NDArray[np.float64]]) -> dict[str, float]:
    return {name: float(np.nanmean(one)) for name, one in values.items()}


def _intervals(values: Mapping[str, NDArray[np.float64]]) -> dict[str, list[float]]:
    found = {name: bootstrap_mean(one[~np.isnan(one)], seed=0) for name, one in values.items()}
    return {name: [one.low, one.high] for name, one in found.items()}


def _halves(split: ListSplit, values: Mapping[str, NDArray[np.float64]]) -> dict[str, float]:
    """Where a target may repeat what its history holds: those that do, and new ones, apart."""
    return {name: float(np.nanmean(one)) for name, one in _with_halves(split, values).items() if name not in values}


def _with_halves(split: ListSplit, values: Mapping[str, NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
    questions = split.test
    if questions.masked is not None or (questions.targets.sizes != 1).any():
        return dict(values)
    is_repeat_R = questions.is_repeat_R()
    if is_repeat_R.all() or not is_repeat_R.any():
        return dict(values)
    halves = dict(values)
    for name, one in values.items():
        halves[f"{name}/repeat"] = np.where(is_repeat_R, one, np.nan)
        halves[f"{name}/new"] = np.where(is_repeat_R, np.nan, one)
    return halves
