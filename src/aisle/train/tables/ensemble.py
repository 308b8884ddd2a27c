"""The average of several runs: the mean of their logits on each test set, and one bundle of all that have one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aisle.bundle import Bundle, BundleWriter
from aisle.errors import ConfigError, DataError
from aisle.evaluate.predictions import Predictions, bootstrap_ensemble, metric_name, named_metrics
from aisle.pipeline.table_ranker import save_ensemble
from aisle.train.tables.directory import TRAIN_SET, TableDirectory

MODEL_NAME = "ensemble"


def ensemble_runs(paths: Sequence[Path], output: Path) -> TableDirectory:
    """Average runs and write the run directory of what comes of it.

    Its ``metrics.json`` names the members. Predictions of training rows are averaged where all members have them.

    Args:
        paths: Run directories; a directory of several seeds counts as its runs.
        output: The directory to write.

    Raises:
        ConfigError: the output has files, or there are not two runs.
        DataError: the runs predict other rows, or none that all have.
    """
    runs = [run for path in paths for run in TableDirectory(path.resolve()).trainings()]
    if len(runs) < 2:
        raise ConfigError(f"expected two or more runs to average, received {len(runs)}")
    ensemble = TableDirectory(output.resolve())
    if ensemble.path.exists() and any(ensemble.path.iterdir()):
        raise ConfigError(f"{ensemble.path}: expected a new or empty directory, it has files; choose another with -o")
    predicted = _predictions(runs)
    means = {name: Predictions.mean(several) for name, several in predicted.items()}
    tests = {name: one for name, one in means.items() if name != TRAIN_SET}
    for name, one in means.items():
        ensemble.save_predictions(name, one)
    bundle = _write_bundle(ensemble, runs)
    each = [run.read_metrics() for run in runs]
    ensemble.write_metrics(
        {
            "model": MODEL_NAME,
            "average": "mean of logits",
            "parameters": sum(one["parameters"] for one in each),
            "model_bytes": sum(one["model_bytes"] for one in each),
            "bundle_bytes": None if bundle is None else bundle.num_bytes,
            "metrics": named_metrics(tests),
            "intervals": {
                metric_name(name, metric): found
                for name in tests
                for metric, found in bootstrap_ensemble(predicted[name]).items()
            },
            "timing": {"train_seconds": round(sum(one["timing"]["train_seconds"] for one in each), 3)},
            "data": each[0]["data"],
            "members": [_member(run, one) for run, one in zip(runs, each, strict=True)],
        }
    )
    return ensemble


def _member(run: TableDirectory, metrics: dict[str, Any]) -> dict[str, Any]:
    return {"run": str(run.path), "model": metrics["model"], "seed": metrics.get("seed"), "metrics": metrics["metrics"]}


def _predictions(runs: Sequence[TableDirectory]) -> dict[str, list[Predictions]]:
    """Of the sets that all runs have."""
    names = [name for name in runs[0].prediction_names() if all(name in run.prediction_names() for run in runs)]
    if not set(names) - {TRAIN_SET}:
        known = "; ".join(f"{run.path}: {', '.join(run.prediction_names()) or 'none'}" for run in runs)
        raise DataError(f"expected runs with predictions of the same test sets, received {known}")
    return {name: [run.predictions(name) for run in runs] for name in names}


def _write_bundle(ensemble: TableDirectory, runs: Sequence[TableDirectory]) -> Bundle | None:
    """The members' bundles as one; None where one has none."""
    if not all(run.bundle.is_dir() for run in runs):
        return None
    with BundleWriter(ensemble.bundle, name=MODEL_NAME, version=ensemble.path.name) as writer:
        save_ensemble(writer, [run.bundle for run in runs])
    return Bundle.open(ensemble.bundle, verify=False)
