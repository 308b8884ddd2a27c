"""One training of a table recipe: from prepared rows to a run directory, resumed exactly after a kill."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import orjson
import torch
from numpy.typing import NDArray

from aisle.bundle import Bundle, BundleWriter
from aisle.evaluate.predictions import Predictions, named_metrics, sets_of
from aisle.models import Ranker
from aisle.pipeline.onnx_ranker import RANKER_FOLDER
from aisle.pipeline.table_ranker import TableRanker
from aisle.progress import Progress, silent
from aisle.recipe import TableRecipe, dump
from aisle.train.engine.batches import RankerRows
from aisle.train.engine.checkpoints import Checkpoints
from aisle.train.engine.devices import device_of
from aisle.train.engine.loop import Fit, Place, train_ranker
from aisle.train.engine.loop_settings import LoopSettings
from aisle.train.engine.prediction import predict
from aisle.train.export import export_ranker
from aisle.train.run_files import RECIPE_NAME, write_atomically
from aisle.train.sharding.distributed import RankTraining, check_ranker, train_on_ranks
from aisle.train.sharding.stored_rows import StoredRows
from aisle.train.tables.data import PreparedTable
from aisle.train.tables.directory import TRAIN_SET, TableDirectory

logger = logging.getLogger(__name__)

#: Makes the untrained model of a recipe: of its dense columns and the rows of its tables.
BuildTable = Callable[[TableRecipe, Sequence[str], Mapping[str, int]], Ranker]
_CLOCK_NAME = "clock.json"
_CLOCK_SECONDS = 5.0


@dataclass(frozen=True)
class TableTraining:
    """What trainings of one recipe share.

    Attributes:
        table: Its prepared rows.
        build: Makes the model.
        soft_label_R: Probabilities to learn from instead of the training rows' labels.
        resume: Go on with what a directory holds.
        num_ranks: Processes that share the tables and the rows of every batch.
        place: Where else than on the recipe's device one process trains the model, and by which optimizers.
        progress: Told of steps.
    """

    table: PreparedTable
    build: BuildTable
    soft_label_R: NDArray[np.float32] | None = None
    resume: bool = False
    num_ranks: int = 1
    place: Place | None = None
    progress: Progress = silent

    def resumed(self) -> TableTraining:
        """The same for a run inside a directory that is held and checked: it goes on with what is there."""
        return replace(self, resume=True)


def train_table(
    recipe: TableRecipe, output: Path, training: TableTraining, *, train_rows: RankerRows | None = None
) -> TableDirectory:
    """Train a recipe's model and write its run directory.

    Args:
        recipe: What to train; its seed draws first weights and the order of rows.
        output: The run directory; a run that is finished there is left as it is.
        training: Data, model and how.
        train_rows: Other rows to learn from than the table's training rows.

    Raises:
        ConfigError: the directory has files and is not to be resumed, or is of another recipe, or another process
            trains there.
        DataError: the loss is not finite.
    """
    run = TableDirectory(output.resolve())
    run.begin(recipe, resume=training.resume)
    with run.training():
        if not run.is_written:
            rows = training.table.rows[TRAIN_SET] if train_rows is None else train_rows
            _train(recipe, run, training, rows)
        run.finish()
    return run


def _train(recipe: TableRecipe, run: TableDirectory, training: TableTraining, rows: RankerRows) -> None:
    table = training.table
    if training.soft_label_R is not None:
        rows = replace(rows, label_R=training.soft_label_R)
    logger.info("recipe %s, model %s, seed %d, %d rows", recipe.name, recipe.model.kind, recipe.seed, len(rows))
    ranker = training.build(recipe, table.dense_names, table.table_sizes)
    fit, seconds = _fit(recipe, run, training, ranker, rows)
    training.progress("write the run", 0, None)
    device = device_of(ranker)
    predicted: dict[str, Predictions] = {}
    for name, part in table.rows.items():
        if name != TRAIN_SET:
            predicted |= _predictions_of(recipe, ranker, name, part)
    bundle = _write_bundle(recipe, run, table, ranker)
    for name, one in predicted.items():
        run.save_predictions(name, one)
    of_model = [bundle.manifest.files[name].bytes for name in bundle.names(RANKER_FOLDER)]
    metrics = {
        "model": recipe.model.kind,
        "seed": recipe.seed,
        "device": device.type,
        "parameters": sum(parameter.numel() for _, parameter in ranker.named_parameters()),
        "model_bytes": sum(of_model),
        "bundle_bytes": bundle.num_bytes,
        "metrics": named_metrics(predicted),
        "timing": _timing(fit, len(rows), seconds),
        "data": {f"{name}_rows": len(part) for name, part in table.rows.items()} | {"train_rows": len(rows)},
    }
    logger.info("trained in %.1f s: %s", seconds, metrics["metrics"])
    run.write_metrics(metrics)


def _predictions_of(recipe: TableRecipe, ranker: Ranker, name: str, rows: RankerRows) -> dict[str, Predictions]:
    """What a ranker predicts for the rows of a set, with their labels."""
    label, weight = np.array(rows.label_R), np.array(rows.weight_R)
    data = recipe.data
    return sets_of(name, predict(ranker, rows), label, weight, tasks=data.tasks, main=data.label)


def _fit(
    recipe: TableRecipe, run: TableDirectory, training: TableTraining, ranker: Ranker, rows: RankerRows
) -> tuple[Fit, float]:
    """Train, or go on with it; gives the seconds too."""
    table, valid = training.table, training.table.rows["valid"]
    settings = LoopSettings(**recipe.training.model_dump(), seed=recipe.seed)
    clock = _Clock(run.checkpoints / _CLOCK_NAME, training.progress)
    if training.num_ranks > 1:
        check_ranker(ranker)
        of_ranks = RankTraining(
            build=partial(training.build, recipe, table.dense_names, table.table_sizes),
            rows=StoredRows.of(rows),
            later=StoredRows.of(valid),
            settings=settings,
            checkpoints=run.checkpoints,
            resume=True,
        )
        train_on_ranks(of_ranks, training.num_ranks, clock)
    # Where ranks have trained, the last checkpoint says that nothing is left to do, and holds what they have learnt.
    checkpoints = Checkpoints(run.checkpoints)
    fit = train_ranker(
        ranker, rows, valid, settings, checkpoints=checkpoints, resume=True, progress=clock, place=training.place
    )
    return fit, clock.stop()


def _write_bundle(recipe: TableRecipe, run: TableDirectory, table: PreparedTable, ranker: Ranker) -> Bundle:
    shutil.rmtree(run.bundle, ignore_errors=True)  # of a training that was killed behind it
    ranker.to(torch.device("cpu"))
    exported = export_ranker(ranker, dense_names=table.dense_names)
    with BundleWriter(run.bundle, name=recipe.name, version=run.path.name, extra={"seed": recipe.seed}) as writer:
        TableRanker(table.workflow(), exported, recipe.model.kind, recipe.data.tasks).save(writer)
        writer.write_text(RECIPE_NAME, dump(recipe))
    return Bundle.open(run.bundle, verify=False)


def _timing(fit: Fit, num_rows: int, seconds: float) -> dict[str, float]:
    passes = fit.num_steps / fit.steps_per_epoch
    return {
        "train_seconds": round(seconds, 3),
        "samples_per_second": round(passes * num_rows / seconds, 1),
        "epochs": round(passes, 3),
        "best_epoch": fit.num_epochs,
    }


class _Clock:
    """The seconds of a training with evaluation and checkpoints, also over kills, all but the last few of each.

    Args:
        path: Where they are kept.
        progress: Told what this is told.
    """

    def __init__(self, path: Path, progress: Progress) -> None:
        self._path = path
        self._progress = progress
        self._before = float(orjson.loads(path.read_bytes())["seconds"]) if path.is_file() else 0.0
        self._started = self._written = time.perf_counter()

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        if time.perf_counter() - self._written >= _CLOCK_SECONDS:
            self._write()
        self._progress(stage, done, total)

    def stop(self) -> float:
        """The seconds in all."""
        self._write()
        return self._before + self._written - self._started

    def _write(self) -> None:
        self._written = time.perf_counter()
        write_atomically(self._path, orjson.dumps({"seconds": self._before + self._written - self._started}))
