"""Our embedding tables alone beside FBGEMM's fused ones: looking up, and the backward pass with the rows' update.

Both move their rows by row-wise Adagrad, on the ids of `aisle bench train`, in turns; what lies in the caches is pushed
out before each time. Needs the extra `scale`. Writes `benchmarks/results/table_speed.json`.

    python -m benchmarks.table_speed
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from aisle.cli.hardware import describe_hardware
from aisle.nn.embeddings import EmbeddingBagCollection, EmbeddingBagConfig
from aisle.nn.sparse import SparseFeatures
from aisle.nn.tables import FullTable
from aisle.studies.train_speed import SpeedSettings, make_stream
from aisle.train.engine.batches import Batches
from aisle.train.engine.table_optimizers import TableOptimizer

RESULTS = Path(__file__).parent / "results"
LEARNING_RATE, EPSILON = 0.01, 1e-8
NUM_BATCHES = 16
#: Looks up a batch's ids [B, S], and the backward pass and update from the gradient of what came.
Tables = tuple[Callable[[Tensor], Tensor], Callable[[Tensor], object]]


def our_tables(settings: SpeedSettings, *, is_short: bool) -> Tables:
    """Ours; ``is_short`` looks up in bfloat16, as DLRM in that precision does."""
    collection = EmbeddingBagCollection(
        [
            EmbeddingBagConfig(
                name=f"t{number}",
                num_embeddings=settings.table_rows,
                embedding_dim=settings.embedding_dim,
                feature_names=(f"f{number}",),
            )
            for number in range(settings.num_tables)
        ],
        generator=torch.Generator().manual_seed(settings.seed),
    )
    full = [module for module in collection.modules() if isinstance(module, FullTable)]
    optimizer = TableOptimizer(full, "row_wise_adagrad")
    vectors: list[Tensor] = []

    def look_up(ids_BS: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=is_short):
            vectors[:] = [collection(SparseFeatures(ids_BS), rounded=is_short)]
        return vectors[0]

    def learn(gradient: Tensor) -> None:
        vectors[0].backward(gradient)  # type: ignore[no-untyped-call]
        optimizer.step(LEARNING_RATE)
        optimizer.forget()

    return look_up, learn


def fbgemm_tables(settings: SpeedSettings) -> Tables:
    """FBGEMM's, whose backward pass updates the rows."""
    from fbgemm_gpu.split_embedding_configs import EmbOptimType
    from fbgemm_gpu.split_table_batched_embeddings_ops_common import EmbeddingLocation, PoolingMode
    from fbgemm_gpu.split_table_batched_embeddings_ops_training import (
        ComputeDevice,
        SplitTableBatchedEmbeddingBagsCodegen,
    )

    sizes = (settings.table_rows, settings.embedding_dim, EmbeddingLocation.HOST, ComputeDevice.CPU)
    fused = SplitTableBatchedEmbeddingBagsCodegen(
        [sizes] * settings.num_tables,
        optimizer=EmbOptimType.EXACT_ROWWISE_ADAGRAD,
        learning_rate=LEARNING_RATE,
        eps=EPSILON,
        pooling_mode=PoolingMode.SUM,
    )
    offsets = torch.arange(settings.num_tables * settings.batch_size + 1)
    vectors: list[Tensor] = []

    def look_up(ids_BS: Tensor) -> Tensor:
        vectors[:] = [fused(ids_BS.T.reshape(-1).long(), offsets)]
        return vectors[0]

    def learn(gradient: Tensor) -> None:
        vectors[0].backward(gradient)  # type: ignore[no-untyped-call]

    return look_up, learn


def measure(settings: SpeedSettings) -> dict[str, Any]:
    """Milliseconds of both passes by variant."""
    rows = make_stream(settings, settings.batch_size * NUM_BATCHES)
    ids = [one.sparse_BS for one in Batches(rows, batch_size=settings.batch_size, seed=settings.seed).epoch(0)]
    variants = {
        "aisle bfloat16": our_tables(settings, is_short=True),
        "aisle float32": our_tables(settings, is_short=False),
        "FBGEMM float32": fbgemm_tables(settings),
    }
    elsewhere = torch.zeros(1 << 23)  # as large as the caches
    times: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in variants}
    for turn in range(settings.num_turns + 1):
        for name, (look_up, learn) in variants.items():
            elsewhere.add_(1.0)
            started = time.perf_counter()
            vectors = look_up(ids[turn % NUM_BATCHES])
            looked_up = time.perf_counter() - started
            gradient = torch.full_like(vectors, 1e-3)
            elsewhere.add_(1.0)
            started = time.perf_counter()
            learn(gradient)
            if turn > 0:  # the first compiles and warms up
                times[name][0].append(looked_up)
                times[name][1].append(time.perf_counter() - started)
    return {name: {"look_up": _summary(there), "learn": _summary(back)} for name, (there, back) in times.items()}


def _summary(seconds: list[float]) -> dict[str, float]:
    return {"median_ms": round(statistics.median(seconds) * 1e3, 3), "best_ms": round(min(seconds) * 1e3, 3)}


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=60)
    parser.add_argument("-o", "--out", type=Path, default=RESULTS / "table_speed.json")
    arguments = parser.parse_args()
    settings = SpeedSettings(num_turns=arguments.turns)
    result = {
        "bench": "table_speed",
        "batch_size": settings.batch_size,
        "tables": settings.num_tables,
        "table_rows": settings.table_rows,
        "embedding_dim": settings.embedding_dim,
        "threads": torch.get_num_threads(),
        "hardware": describe_hardware(),
        "variants": measure(settings),
    }
    for name, one in result["variants"].items():
        print(f"{name:16} looks up in {one['look_up']['median_ms']:.2f} ms, learns in {one['learn']['median_ms']:.2f}")
    arguments.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
