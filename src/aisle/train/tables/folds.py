"""Out-of-fold predictions of training rows: each by a model that was trained on the other folds.

A teacher flatters itself on the rows that it has learnt from; a student needs what it says of rows that it has not
seen. Each training row draws its fold by the recipe's seed. K models are trained, each without the rows of one fold,
and predict that fold. Features are fitted on all training rows: they know no label (statistics of the label are of
earlier rows alone). Every model stops early on the recipe's validation rows, as one on all rows would.

Legend of shapes: R training rows.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aisle.bundle import Bundle
from aisle.evaluate.predictions import Predictions
from aisle.pipeline.table_ranker import TableRanker
from aisle.recipe import TableRecipe
from aisle.train.engine.batches import RankerRows
from aisle.train.recipe_run import RunPlan
from aisle.train.tables.directory import TRAIN_SET, TableDirectory
from aisle.train.tables.rows import ArrayFile
from aisle.train.tables.run import TableTraining, train_table
from aisle.train.tables.seeds import write_group

_BLOCK_ROWS = 1 << 16


def train_folds(recipe: TableRecipe, num_folds: int, output: Path, training: TableTraining) -> TableDirectory:
    """Train a recipe once without each fold, and write the out-of-fold predictions of the training rows.

    ``predictions/train`` holds them; the predictions of other sets are the means (of logits) of all K models.

    Args:
        recipe: What to train.
        num_folds: K, from 2 to 255.
        output: The directory; ``fold-0`` and so on are below. An interrupted training goes on, if it is to be resumed.
        training: Data, model and how.

    Raises:
        ConfigError: as in :func:`aisle.train.tables.run.train_table`.
    """
    group = TableDirectory(output.resolve())
    group.begin(recipe, RunPlan(folds=num_folds), resume=training.resume)
    with group.training():
        if not group.is_written:
            rows = training.table.rows[TRAIN_SET]
            fold_R = folds_of(len(rows), num_folds, recipe.seed)
            runs = [_train_without(recipe, group, fold, fold_R, training) for fold in range(num_folds)]
            training.progress("train the folds", num_folds, num_folds)
            group.save_predictions(TRAIN_SET, _out_of_fold(rows, fold_R, runs))
            data = runs[0].read_metrics()["data"] | {"train_rows": len(rows)}
            write_group(group, runs, {"seed": recipe.seed, "folds": num_folds, "data": data})
        group.finish()
    return group


def folds_of(num_rows: int, num_folds: int, seed: int) -> NDArray[np.uint8]:
    """The fold of each row, drawn for each by itself."""
    return np.random.default_rng([seed, num_folds]).integers(0, num_folds, num_rows, dtype=np.uint8)


def _train_without(
    recipe: TableRecipe, group: TableDirectory, fold: int, fold_R: NDArray[np.uint8], training: TableTraining
) -> TableDirectory:
    """Train on the rows of the other folds, copied block by block into files that are removed afterwards."""
    run = group.of_fold(fold)
    if run.is_written:
        return run
    training.progress("train the folds", fold, int(fold_R.max()) + 1)
    place = group.checkpoints / "rows"
    try:
        others = _copied(training.table.rows[TRAIN_SET], fold_R != fold, place)
        return train_table(recipe, run.path, training.resumed(), train_rows=others)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _copied(rows: RankerRows, chosen_R: NDArray[np.bool_], place: Path) -> RankerRows:
    shutil.rmtree(place, ignore_errors=True)  # of a training that was killed
    place.mkdir(parents=True)
    arrays = {"dense": rows.dense_RN, "sparse": rows.sparse_RS, "label": rows.label_R, "weight": rows.weight_R}
    num_chosen = int(chosen_R.sum())
    for name, array in arrays.items():
        file = ArrayFile(place / f"{name}.npy", array.dtype, (num_chosen, *array.shape[1:]))
        for start in range(0, len(chosen_R), _BLOCK_ROWS):
            block = slice(start, start + _BLOCK_ROWS)
            file.append(array[block][chosen_R[block]])
        file.close()
    loaded = (np.load(place / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in arrays)
    return RankerRows(*loaded)


def _out_of_fold(rows: RankerRows, fold_R: NDArray[np.uint8], runs: Sequence[TableDirectory]) -> Predictions:
    logit_R = np.empty(len(rows), np.float32)
    for fold, run in enumerate(runs):
        ranker = TableRanker.load(Bundle.open(run.bundle)).ranker
        for start in range(0, len(rows), _BLOCK_ROWS):
            block = slice(start, start + _BLOCK_ROWS)
            of_fold = np.flatnonzero(fold_R[block] == fold) + start
            if len(of_fold):
                logit_R[of_fold] = ranker.logits(rows.dense_RN[of_fold], rows.sparse_RS[of_fold].astype(np.int64))
    weight_R = None if np.all(rows.weight_R == 1) else np.array(rows.weight_R)
    return Predictions(logit_R, np.array(rows.label_R), weight_R)
