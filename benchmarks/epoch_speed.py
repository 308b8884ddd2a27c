"""An epoch over real Criteo rows at batches of 1,024: ours, beside what other libraries take for the same model.

Each model of `recipes/criteo.yaml` trains one epoch on the same prepared rows, in turns, without evaluation; what it
takes to set the training up is in its time. A peer takes part where it is installed: `pip install deepctr-torch
fuxictr`, and a clone of facebookresearch/dlrm. Writes `benchmarks/results/epoch_speed.json`.

    python -m benchmarks.epoch_speed --turns 3 --dlrm-folder CLONE
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from aisle import recipe as recipes
from aisle.assemble import table_ranker
from aisle.cli.hardware import describe_hardware
from aisle.recipe import TableRecipe
from aisle.train.engine.loop import train_ranker
from aisle.train.engine.loop_settings import LoopSettings
from aisle.train.tables.data import PreparedTable, prepare_table
from benchmarks.criteo_models import PEER_LAYERS
from benchmarks.epoch_peers import PEERS, Rows

RESULTS = Path(__file__).parent / "results"
RECIPE = Path(__file__).parent.parent / "recipes" / "criteo.yaml"
BATCH_SIZE = 1024
OURS = "aisle"
MODELS = {
    "dlrm": PEER_LAYERS,
    "dcn-v2": ("model.kind=dcn-v2",),
    "deepfm": ("model.kind=deepfm",),
}


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--dlrm-folder", type=Path, help="a clone of facebookresearch/dlrm")
    arguments = parser.parse_args()
    result: dict[str, Any] = {
        "bench": "epoch_speed",
        "batch_size": BATCH_SIZE,
        "threads": torch.get_num_threads(),
        "hardware": describe_hardware(),
        "models": {},
    }
    with tempfile.TemporaryDirectory() as directory:
        for kind, overrides in MODELS.items():
            table = prepare_table(_recipe(*overrides), Path(directory))
            epochs = {OURS: _ours(table)} | dict(_peers(kind, table, arguments.dlrm_folder))
            result["models"][kind] = times = _in_turns(epochs, arguments.turns)
            for name, seconds in times.items():
                rate = len(table.rows["train"]) / seconds["median_s"]
                print(
                    f"{kind:8} {name:32} {seconds['median_s']:6.2f} s {seconds['best_s']:6.2f} s {rate:9,.0f} samples/s"
                )
        result["num_rows"] = len(table.rows["train"])
    (RESULTS / "epoch_speed.json").write_text(json.dumps(result, indent=1) + "\n")


def _recipe(*overrides: str) -> TableRecipe:
    sets = [*overrides, f"training.batch_size={BATCH_SIZE}", "training.precision=bfloat16"]
    recipe = recipes.load(RECIPE, sets)
    assert isinstance(recipe, TableRecipe), "a benchmark of tables"
    return recipe


def _ours(table: PreparedTable) -> Callable[[], None]:
    settings = LoopSettings(**(table.recipe.training.model_dump() | {"num_epochs": 1}), seed=0)

    def epoch() -> None:
        ranker = table_ranker(table.recipe, table.dense_names, table.table_sizes)
        train_ranker(ranker, table.rows["train"], None, settings)

    return epoch


def _peers(kind: str, table: PreparedTable, dlrm_folder: Path | None) -> Iterator[tuple[str, Callable[[], None]]]:
    train = table.rows["train"]
    rows = Rows(
        np.ascontiguousarray(train.dense_RN),
        np.ascontiguousarray(train.sparse_RS).astype(np.int64),
        np.ascontiguousarray(train.label_R).astype(np.float32),
        list(table.table_sizes.values()),
        BATCH_SIZE,
    )
    for name, peer in PEERS[kind].items():
        try:
            yield name, peer(rows, dlrm_folder)
        except ImportError as error:
            print(f"{kind:8} {name}: left out, {error}")


def _in_turns(epochs: dict[str, Callable[[], None]], num_turns: int) -> dict[str, dict[str, float]]:
    """The median and the least seconds of each."""
    seconds: dict[str, list[float]] = {name: [] for name in epochs}
    for turn in range(num_turns + 1):
        for name, epoch in epochs.items():
            start = time.perf_counter()
            epoch()
            if turn > 0:  # the first compiles and warms up
                seconds[name].append(time.perf_counter() - start)
    return {
        name: {"median_s": round(statistics.median(values), 3), "best_s": round(min(values), 3)}
        for name, values in seconds.items()
    }


if __name__ == "__main__":
    main()
