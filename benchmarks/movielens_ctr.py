"""DLRM on MovieLens-1M as click-through beside logistic regression over the same ids and the mean of each movie.

Rows are split at random as `recipes/ml-1m-ctr.yaml` says. Writes `benchmarks/results/movielens_ctr.json`; a run that is
kept is not made again.

    python -m benchmarks.movielens_ctr --seeds 0,1 --keep DIR

Legend of shapes: R rows, V movies.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from aisle.cli.hardware import describe_hardware
from aisle.evaluate.comparison import difference
from aisle.evaluate.predictions import Predictions, named_metrics
from aisle.train.engine.batches import RankerRows
from aisle.train.tables.data import PreparedTable
from aisle.train.tables.session import prepared
from benchmarks.criteo import METRICS, summarize, train_entry
from benchmarks.criteo_models import Entry

RESULTS = Path(__file__).parent / "results"
RECIPE = "ml-1m-ctr"
REFERENCE = "logistic"
ITEM_MEAN = "mean of the movie"
ITEM = "movie_id"
#: Chosen on validation rows.
_LOGISTIC = ("training.table_optimizer=adagrad", "training.table_learning_rate=0.3", "training.num_epochs=4")
MODELS = {
    REFERENCE: Entry(RECIPE, ("model.kind=logistic", *_LOGISTIC)),
    "dlrm": Entry(RECIPE),
}
#: As how many ratings of the mean the prior counts; validation chooses.
PRIORS = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0)


def item_means(table: PreparedTable) -> tuple[dict[str, Predictions], float]:
    """The share of each movie's training ratings that are likes, drawn to the share of all.

    Returns:
        Predictions of the validation and test rows, and the prior's weight that validation chose by log loss.
    """
    column = list(table.table_sizes).index(ITEM)
    train, num_items = table.rows["train"], table.table_sizes[ITEM]
    item_R = np.asarray(train.sparse_RS[:, column])
    count_V = np.bincount(item_R, minlength=num_items)
    liked_V = np.bincount(item_R, weights=train.label_R, minlength=num_items)
    overall = float(np.mean(train.label_R))

    def predict(rows: RankerRows, prior: float) -> Predictions:
        mean_V = (liked_V + prior * overall) / (count_V + prior)
        logit_V = np.log(mean_V / (1 - mean_V)).astype(np.float32)
        return Predictions(logit_V[np.asarray(rows.sparse_RS[:, column])], np.array(rows.label_R))

    valid, test = table.rows["valid"], table.rows["test"]
    prior = min(PRIORS, key=lambda one: predict(valid, one).metrics()["logloss"])
    return {"valid": predict(valid, prior), "test": predict(test, prior)}, prior


def measure(seeds: Sequence[int], directory: Path) -> dict[str, Any]:
    """Train the models and compare each method with logistic regression."""
    runs = {}
    for name, entry in MODELS.items():
        print(f"{name} ...", flush=True)
        runs[name] = train_entry(entry, directory / name, seeds)
    reference = runs[REFERENCE]
    under = f"--seeds {','.join(map(str, seeds))} -o OUT"
    found = {
        name: summarize(run, {REFERENCE: reference}) | {"commands": [MODELS[name].command(under)]}
        for name, run in runs.items()
    }
    means, prior = item_means(prepared(MODELS["dlrm"].load()))
    theirs = [run.predictions("test") for run in reference.trainings()]
    gaps = {metric: asdict(difference([means["test"]], theirs, metric)) for metric in METRICS}
    found[ITEM_MEAN] = {"metrics": named_metrics(means), "prior": prior, f"minus_{REFERENCE}": gaps}
    return found


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=lambda text: [int(part) for part in text.split(",")], default=[0, 1])
    parser.add_argument("--keep", type=Path, help="a directory that keeps the runs, to go on from")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the file is written")
    arguments = parser.parse_args()
    kept = nullcontext(arguments.keep) if arguments.keep else tempfile.TemporaryDirectory(prefix="aisle-movielens-")
    with kept as folder:
        methods = measure(arguments.seeds, Path(folder))
    result = {
        "benchmark": "movielens_ctr",
        "protocol": "rows drawn 80/10/10 at random; regression and the prior chosen on validation rows",
        "hardware": describe_hardware(),
        "seeds": arguments.seeds,
        "reference": REFERENCE,
        "methods": methods,
    }
    path = arguments.results / "movielens_ctr.json"
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(path)


if __name__ == "__main__":
    main()
