"""What each kind of index finds and costs, beside exact search over the same vectors, with and without a filter.

Legend of shapes: Q queries, K results, V vectors, D dimensions.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from aisle.errors import DataError
from aisle.index import ExactIndex, Index, open_index
from aisle.progress import Progress, silent
from aisle.recipe.indexes import IndexSpec

VECTORS_PER_CLUSTER = 100
#: The length of the noise around a cluster's direction, which itself has length 1.
_NOISE = 0.5
_WARMUP = 10


@dataclass(frozen=True, kw_only=True)
class IndexSpeedSettings:
    """What is searched.

    Attributes:
        num_vectors: V.
        dimension: D.
        num_queries: Q.
        k: K.
        filter_share: Of the vectors, how many a filter allows, drawn one by one; above 0, at most 1.
        clustered: Unit vectors around directions, 100 to each, and queries as they; or all drawn from the whole sphere,
            where no neighbour is near and every approximation is at its worst.
        threads: Of building and searching.
        seed: Draws vectors, queries and the filter.
    """

    num_vectors: int = 100_000
    dimension: int = 64
    num_queries: int = 1000
    k: int = 20
    filter_share: float = 0.1
    clustered: bool = True
    threads: int = 1
    seed: int = 0


def measure_index_speed(
    specs: Mapping[str, IndexSpec],
    settings: IndexSpeedSettings,
    progress: Progress = silent,
    *,
    is_all_needed: bool = True,
) -> dict[str, Any]:
    """Build and ask each index.

    Args:
        specs: By the name that the result calls them.
        settings: Sizes.
        progress: Told of each index.
        is_all_needed: Where not, a kind that these vectors are too few for is left out.

    Returns:
        Sizes, why a kind is ``left_out``, and by index ``memory_bytes``, seconds of building, and with and without the
        filter ``recall`` (the share of the exact K that is found), quantiles of single queries' milliseconds, their
        mean milliseconds of processor time, which other work on the machine hardly changes, and queries per second in
        one batch.

    Raises:
        DataError: too few vectors to train a kind on that is needed.
        BackendUnavailableError: a kind's library is not installed.
    """
    load = os.getloadavg()[0]
    with threadpool_limits(limits=settings.threads):
        kinds, left_out = _measure_kinds(specs, settings, progress, is_all_needed=is_all_needed)
    return {
        "bench": "index",
        "sizes": {"vectors": settings.num_vectors, "dimension": settings.dimension, "queries": settings.num_queries},
        "k": settings.k,
        "batch": settings.num_queries,
        "filter_share": settings.filter_share,
        "vector_distribution": "clustered" if settings.clustered else "random",
        "seed": settings.seed,
        "threads": settings.threads,
        "load_average": round(load, 1),
        "kinds": kinds,
        "left_out": left_out,
    }


def _measure_kinds(
    specs: Mapping[str, IndexSpec], settings: IndexSpeedSettings, progress: Progress, *, is_all_needed: bool
) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """What is measured of each kind, and why another is left out."""
    vectors_VD, queries_QD, mask_V = _drawn(settings)
    indexes = {name: open_index(spec, dimension=settings.dimension) for name, spec in specs.items()}
    filters = {"unfiltered": None, "filtered": mask_V}
    truth = {name: _exact(vectors_VD, queries_QD, settings.k, mask) for name, mask in filters.items()}
    kinds: dict[str, dict[str, Any]] = {}
    left_out: dict[str, str] = {}
    for number, (name, index) in enumerate(indexes.items()):
        progress("indexes", number, len(indexes))
        try:
            built = _build(index, vectors_VD)
        except DataError as error:
            if is_all_needed:
                raise
            left_out[name] = str(error)
            continue
        kinds[name] = {"settings": specs[name].model_dump(), **built}
        for given, mask in filters.items():
            kinds[name][given] = _ask(index, queries_QD, settings.k, mask, truth[given])
    return kinds, left_out


def _drawn(settings: IndexSpeedSettings) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]:
    """Vectors, queries and the filter."""
    draw = np.random.default_rng(settings.seed)
    num_clusters = -(-settings.num_vectors // VECTORS_PER_CLUSTER)
    centres = _unit(draw.normal(size=(num_clusters, settings.dimension)))

    def some(number: int) -> NDArray[np.float32]:
        directions = _unit(draw.normal(size=(number, settings.dimension)))
        if not settings.clustered:
            return directions
        return _unit(centres[draw.integers(num_clusters, size=number)] + _NOISE * directions)

    vectors_VD, queries_QD = some(settings.num_vectors), some(settings.num_queries)
    return vectors_VD, queries_QD, draw.random(settings.num_vectors) < settings.filter_share


def _unit(vectors: NDArray[Any]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    result: NDArray[np.float32] = (vectors / lengths).astype(np.float32)
    return result


def _exact(
    vectors_VD: NDArray[np.float32], queries_QD: NDArray[np.float32], k: int, mask_V: NDArray[np.bool_] | None
) -> NDArray[np.int64]:
    """The ids to be found: at most K for each query."""
    index = ExactIndex(vectors_VD.shape[1])
    index.add(vectors_VD)
    ids_QK, _ = index.search(queries_QD, k, mask_V)
    return ids_QK


def _build(index: Index, vectors_VD: NDArray[np.float32]) -> dict[str, Any]:
    started, processor = time.perf_counter(), time.process_time()
    index.add(vectors_VD)
    seconds, processor_seconds = time.perf_counter() - started, time.process_time() - processor
    return {
        "build_seconds": round(seconds, 3),
        "build_processor_seconds": round(processor_seconds, 3),
        "memory_bytes": index.num_bytes,
    }


def _ask(
    index: Index, queries_QD: NDArray[np.float32], k: int, mask_V: NDArray[np.bool_] | None, truth_QK: NDArray[np.int64]
) -> dict[str, Any]:
    """Each query alone, then all at once."""
    for query_D in queries_QD[:_WARMUP]:
        index.search(query_D[None], k, mask_V)
    times_ms, processor = [], time.process_time()
    for query_D in queries_QD:
        started = time.perf_counter()
        index.search(query_D[None], k, mask_V)
        times_ms.append((time.perf_counter() - started) * 1000)
    processor_ms = (time.process_time() - processor) * 1000 / len(queries_QD)
    started = time.perf_counter()
    ids_QK, _ = index.search(queries_QD, k, mask_V)
    seconds = time.perf_counter() - started
    return {
        "recall": round(recall(ids_QK, truth_QK), 4),
        **{f"p{level}_ms": round(float(np.percentile(times_ms, level)), 4) for level in (50, 95, 99)},
        "processor_ms": round(processor_ms, 4),
        "queries_per_second": round(len(queries_QD) / seconds, 1),
    }


def recall(ids_QK: NDArray[np.int64], truth_QK: NDArray[np.int64]) -> float:
    """The share of the true ids that were found; -1 in either stands for nothing."""
    hits = [len(set(found) & set(true) - {-1}) for found, true in zip(ids_QK.tolist(), truth_QK.tolist(), strict=True)]
    return sum(hits) / max(1, int((truth_QK >= 0).sum()))
