"""One training of a recipe of actions: from a file to a run directory, resumed exactly after a kill; or one a seed."""

from __future__ import annotations

import hashlib
import logging
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from aisle.bundle import Bundle, BundleWriter
from aisle.data.action_lists import ActionSplit, split_actions
from aisle.errors import DataError
from aisle.evaluate.action_baselines import fit_action_baselines
from aisle.evaluate.next_action import compare_with_baselines, predict_actions, report_actions
from aisle.evaluate.predictions import named_metrics
from aisle.pipeline.action_ranker import ActionRanker
from aisle.progress import Progress, silent
from aisle.recipe import ActionRecipe, dump
from aisle.train.engine.checkpoints import Checkpoints
from aisle.train.lists.action_directory import MODEL_FOLDER, ActionDirectory
from aisle.train.lists.loop import ListFit, LoopSettings, train_lists
from aisle.train.lists.next_action import NextActionTrainee, TorchActionRanker, build_hstu_ranker
from aisle.train.recipe_run import RunPlan
from aisle.train.run_files import RECIPE_NAME
from aisle.train.seed_runs import check_seeds, summarize, train_each_seed

logger = logging.getLogger(__name__)


def train_action_recipe(
    recipe: ActionRecipe,
    output: Path,
    *,
    seeds: Sequence[int] = (),
    resume: bool = False,
    progress: Progress = silent,
) -> ActionDirectory:
    """Train a recipe of actions and write its run directory; with seeds one training each, and what they say together.

    Args:
        recipe: What to train.
        output: The run directory; one that is finished is left as it is.
        seeds: Two or more; missing: one training under the recipe's seed.
        resume: Go on with what was interrupted there.
        progress: Told of each step.

    Raises:
        ConfigError: the directory has files and is not to be resumed, or is of another recipe.
        DataError: the data is not as it must be.
    """
    check_seeds(seeds)
    run = ActionDirectory(output.resolve())
    run.begin(recipe, RunPlan(seeds=tuple(seeds)), resume=resume)
    with run.training():
        if not run.is_written and not seeds:
            _train(recipe, run, progress)
        elif not run.is_written:
            _train_seeds(recipe, run, seeds, progress)
        run.finish()
    return run


def evaluate_action_run(run: ActionDirectory) -> dict[str, Any]:
    """Measure a finished run again, by its bundle alone, and write ``evaluate.json``.

    Returns:
        ``metrics`` of the test, and ``counts``.

    Raises:
        DataError: the run is not finished, has no bundle, or its data is another.
    """
    bundle, split = run.open_bundle(), split_actions(run.recipe().data)
    if not split.item_ids.equals(bundle.read_frame("items")["item_id"]):
        raise DataError(f"{run.recipe().data.train}: expected the items of the run's training, received others")
    predictions = predict_actions(ActionRanker.load(bundle, MODEL_FOLDER), split.test, split.is_positive_A)
    report = {
        "model": run.read_metrics()["model"],
        "counts": _counts(split),
        "metrics": named_metrics({"test": predictions}),
    }
    run.write_evaluation(report)
    return report


def _train_seeds(recipe: ActionRecipe, group: ActionDirectory, seeds: Sequence[int], progress: Progress) -> None:
    def train(of_seed: ActionRecipe) -> ActionDirectory:
        return train_action_recipe(of_seed, group.of_seed(of_seed.seed).path, resume=True, progress=progress)

    runs = train_each_seed(recipe, seeds, train, progress)
    each = [run.read_metrics() for run in runs]
    baselines = {name: runs[0].predictions(name) for name in each[0]["baselines"]}  # no seed has a part in them
    compared = compare_with_baselines([run.predictions("test") for run in runs], baselines)
    group.write_metrics({**summarize(each), "seeds": list(seeds), "baselines": compared})


def _train(recipe: ActionRecipe, run: ActionDirectory, progress: Progress) -> None:
    progress("read the data", 0, None)
    split = split_actions(recipe.data)
    logger.info("recipe %s, seed %d, actions %s, %s", recipe.name, recipe.seed, split.actions, _counts(split))
    started = time.perf_counter()
    trainee = build_hstu_ranker(recipe.model, split, seed=recipe.seed)
    fit = _fit(recipe, run, trainee, split, progress)
    seconds = time.perf_counter() - started
    progress("write the bundle", 0, None)
    shutil.rmtree(run.bundle, ignore_errors=True)  # of a training that was killed behind it
    with BundleWriter(run.bundle, name=recipe.name, version=run.path.name, extra={"seed": recipe.seed}) as writer:
        trainee.recommender().exported().save(writer, MODEL_FOLDER)
        writer.write_frame("items", split.item_ids.to_frame())
        writer.write_json("actions", {"actions": split.actions, "positive": recipe.data.positive})
        writer.write_text(RECIPE_NAME, dump(recipe))
    progress("fit the baselines", 0, None)
    bundle = Bundle.open(run.bundle, verify=False)
    predictions = predict_actions(ActionRanker.load(bundle, MODEL_FOLDER), split.test, split.is_positive_A)
    baselines = fit_action_baselines(split)
    for name, one in {"test": predictions, **baselines}.items():
        run.save_predictions(name, one)
    document = {
        "model": recipe.model.kind,
        "seed": recipe.seed,
        "parameters": sum(parameter.numel() for parameter in trainee.network.parameters()),
        "model_bytes": bundle.num_bytes,
        **report_actions(predictions, baselines),
        "timing": {
            "train_seconds": round(seconds, 3),
            "samples_per_second": round(fit.num_epochs * len(split.train) / seconds, 1),
            "epochs": fit.num_epochs,
        },
        "data": _counts(split),
    }
    run.write_metrics(document)


def _fit(
    recipe: ActionRecipe, run: ActionDirectory, trainee: NextActionTrainee, split: ActionSplit, progress: Progress
) -> ListFit:
    def judge(ranker: TorchActionRanker) -> float:
        return -predict_actions(ranker, split.valid, split.is_positive_A).metrics()["logloss"]

    return train_lists(
        trainee,
        LoopSettings(**recipe.train.model_dump(), seed=recipe.seed),
        judge,
        identity=_identity(recipe, split),
        checkpoints=Checkpoints(run.checkpoints),
        resume=True,
        progress=progress,
    )


def _identity(recipe: ActionRecipe, split: ActionSplit) -> str:
    """What a state must agree with: everything that was told, and the training lists."""
    digest = hashlib.sha256(dump(recipe).encode())
    for part in (split.train.items, split.train.actions):
        for array in (part.starts_R1, part.items_E):
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _counts(split: ActionSplit) -> dict[str, int]:
    return {
        "train_rows": len(split.train.items.items_E),
        "train_lists": len(split.train),
        "items": len(split.item_ids),
        "actions": len(split.actions),
        "valid_rows": len(split.valid),
        "test_rows": len(split.test),
    }
