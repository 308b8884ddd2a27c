"""A finished run of a table recipe measured again: its bundle alone scores the raw rows of every test set, no torch."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from aisle.bundle import Bundle
from aisle.errors import DataError
from aisle.evaluate.predictions import Predictions, named_metrics, sets_of
from aisle.pipeline.table_ranker import load_table_ranker
from aisle.progress import Progress, silent
from aisle.recipe import TableRecipe, parse_strict, read_yaml
from aisle.train.run_files import RECIPE_NAME
from aisle.train.tables.directory import TableDirectory
from aisle.train.tables.rows import LABEL, WEIGHT
from aisle.train.tables.sources import raw_rows

PROTOCOL = "pointwise"


def evaluate_table(run: TableDirectory, progress: Progress = silent) -> dict[str, Any]:
    """Score the validation and test rows by the run's bundle and write ``evaluate.json``.

    Args:
        run: A finished run with a bundle, or an ensemble with one.
        progress: Told of rows scored.

    Returns:
        ``metrics`` as in ``metrics.json``, ``counts`` of rows, and ``max_logit_difference``: how far, over all test
        rows, the bundle's logits are from those that training kept.

    Raises:
        DataError: the run has no bundle, or its data is not there any more, or is another.
    """
    bundle = run.open_bundle()
    predicted = _score(bundle, progress)
    report = {
        "protocol": PROTOCOL,
        "model": run.read_metrics()["model"],
        "counts": {name: len(one) for name, one in predicted.items()},
        "metrics": named_metrics(predicted),
        "max_logit_difference": max(_difference(run, name, one) for name, one in predicted.items()),
    }
    run.write_evaluation(report)
    return report


def recipe_of(bundle: Bundle) -> TableRecipe:
    """The recipe that a bundle was trained by; of an ensemble that of its first member."""
    name = next((name for name in bundle.names() if name.rpartition("/")[2] == RECIPE_NAME), RECIPE_NAME)
    return parse_strict(TableRecipe, read_yaml(bundle.read_text(name), name), str(bundle.directory / name))


def _score(bundle: Bundle, progress: Progress) -> dict[str, Predictions]:
    recipe, ranker = recipe_of(bundle), load_table_ranker(bundle)
    parts = {"valid", "test", *recipe.data.extra_tests}
    found: dict[str, list[tuple[NDArray[np.float32], ...]]] = {}
    for part, frame in raw_rows(recipe.data, ranker.schema, parts, progress):
        arrays = (ranker.logits(frame), frame[LABEL].to_numpy(), frame[WEIGHT].to_numpy())
        found.setdefault(part, []).append(arrays)
    predicted: dict[str, Predictions] = {}
    for part, pieces in found.items():
        logits, label, weight = (np.concatenate(arrays) for arrays in zip(*pieces, strict=True))
        predicted |= sets_of(part, logits, label, weight, tasks=recipe.data.tasks, main=recipe.data.label)
    return predicted


def _difference(run: TableDirectory, name: str, scored: Predictions) -> float:
    kept = run.predictions(name)
    if not kept.has_rows_of(scored):
        raise DataError(
            f"{run.path}: expected the {len(kept):,} {name} rows of its training, received {len(scored):,} rows with "
            "other labels; the data has changed since: train again"
        )
    return float(np.abs(kept.logit_R - scored.logit_R).max())
