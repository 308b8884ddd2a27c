"""What trained runs say of the training rows, for a student to learn from.

A loss that is the log loss of a label in part ``1 - w`` and the cross-entropy against a teacher's probability in part
``w`` is the cross-entropy against one probability, ``(1 - w) label + w teacher``: so a student is trained as any other
model, on soft labels.

Reference: Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", 2015 (temperature 1).

Legend of shapes: R training rows.
"""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aisle.bundle import Bundle
from aisle.errors import DataError
from aisle.evaluate.predictions import Predictions
from aisle.pipeline.table_ranker import load_table_ranker
from aisle.progress import Progress, silent
from aisle.recipe.data import TableDataSpec
from aisle.recipe.distillation import DistillSpec
from aisle.train.tables.directory import TRAIN_SET, TableDirectory
from aisle.train.tables.sources import raw_rows

logger = logging.getLogger(__name__)


def soft_labels(
    spec: DistillSpec, data: TableDataSpec, label_R: NDArray[np.float32], progress: Progress = silent
) -> NDArray[np.float32]:
    """The probabilities [R] that a student learns from.

    A teacher's predictions of the training rows are kept in its run directory, and made by its bundle where they are
    not there yet.

    Args:
        spec: The teachers, and what they count.
        data: The student's table, whose training rows are the teachers' too.
        label_R: Their labels.
        progress: Told of rows that a teacher predicts.

    Raises:
        DataError: a teacher is no finished run, or was trained on other rows.
    """
    total_R = np.zeros(len(label_R))
    for name in spec.runs:
        runs = TableDirectory(Path(name)).trainings()
        for run in runs:
            total_R += _predicted(run, data, label_R, progress).probability_R / len(runs)
    teacher_R = total_R / len(spec.runs)
    soft_R: NDArray[np.float32] = ((1 - spec.weight) * label_R + spec.weight * teacher_R).astype(np.float32)
    return soft_R


def _predicted(
    run: TableDirectory, data: TableDataSpec, label_R: NDArray[np.float32], progress: Progress
) -> Predictions:
    metrics = run.read_metrics()
    if not metrics.get("folds"):
        logger.warning(
            "%s predicts rows that it was trained on, and flatters itself there; aisle train --folds 5 predicts each "
            "row by a model that has not seen it",
            run.path,
        )
    if metrics["data"]["train_rows"] == len(label_R) and TRAIN_SET not in run.prediction_names():
        logger.info("%s predicts the training rows", run.path)
        ranker = load_table_ranker(Bundle.open(run.bundle))
        if ranker.tasks:
            raise DataError(f"distill.runs: expected {run.path} to be of one label, it is of {', '.join(ranker.tasks)}")
        parts = [ranker.logits(frame) for _, frame in raw_rows(data, ranker.schema, {TRAIN_SET}, progress)]
        run.save_predictions(TRAIN_SET, Predictions(np.concatenate(parts), label_R))
    if TRAIN_SET in run.prediction_names():
        predicted = run.predictions(TRAIN_SET)
        if np.array_equal(predicted.label_R, label_R):
            return predicted
    raise DataError(
        f"distill.runs: expected {run.path} to be trained on this recipe's {len(label_R):,} training rows, received a "
        f"run of {metrics['data']['train_rows']:,} rows with other labels; train it on the same data and split"
    )
