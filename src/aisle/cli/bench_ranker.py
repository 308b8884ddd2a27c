"""What ranking costs: one process, one core, 500 candidates; all but the model's forward, and the forward alone.

Legend of shapes: K candidates, S sources, V item rows.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aisle.cli.quantiles import Quantiles

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from aisle.pipeline import Merged, Pipeline, Recommender
    from aisle.pipeline.rank_stage import RankStage
    from aisle.workspace import Settings

NUM_CANDIDATES = 500


def measure_ranker(
    directory: Path, placement: str, user_ids: Sequence[str], *, num_requests: int, warmup: int, limit: int, seed: int
) -> dict[str, Any] | None:
    """Answer in this process as a worker does, without HTTP; nothing where no ranker ranks the placement.

    Args:
        directory: The workspace.
        placement: Which.
        user_ids: Who asks, drawn at random.
        num_requests: How many answers are timed.
        warmup: How many are given before.
        limit: Items per answer.
        seed: Of the draw.
    """
    from threadpoolctl import threadpool_limits

    from aisle.pipeline import RecommendationRequest, Recommender
    from aisle.workspace import Workspace

    workspace = Workspace.open(directory)
    with closing(workspace.open_store()) as store, threadpool_limits(limits=1):
        recommender = Recommender(store, _patient(workspace.config), directory)
        recommender.refresh()
        pipeline = recommender.pipeline
        if pipeline is None or pipeline.rank_stage is None or pipeline.rank_stage.placement != placement:
            return None
        watch = _Watch.on(pipeline, pipeline.rank_stage)
        draw = random.Random(seed)
        requests = [
            RecommendationRequest(placement, user_id=draw.choice(user_ids), limit=limit)
            for _ in range(warmup + num_requests)
        ]
        rounds = [watch.time(recommender, request) for request in requests][warmup:]
        return {
            "candidates": sorted({one.num_candidates for one in rounds}),
            "candidates_found": Quantiles.of([float(one.num_found) for one in rounds]).p50_ms,
            "requests": num_requests,
            "without_forward": Quantiles.of([one.total_ms - one.forward_ms for one in rounds]).as_json(),
            "forward": Quantiles.of([one.forward_ms for one in rounds]).as_json(),
            "featurize": Quantiles.of([one.featurize_ms for one in rounds]).as_json(),
            "fallbacks": sum(one.fell_back for one in rounds),
            "model": _sizes(pipeline.rank_stage),
        }


def _patient(settings: Settings) -> Settings:
    """A workspace's settings with time enough: a fallback would be quick, and no measurement."""
    from aisle.workspace import Budgets

    return settings.model_copy(update={"budgets": Budgets(retrieve_ms=60_000, rank_ms=60_000)})


@dataclass
class _Round:
    """The times of one answer."""

    total_ms: float = 0.0
    forward_ms: float = 0.0
    featurize_ms: float = 0.0
    num_found: int = 0
    num_candidates: int = 0
    fell_back: bool = False


@dataclass
class _Watch:
    """Times calls inside a pipeline, and holds the number of candidates at :data:`NUM_CANDIDATES`."""

    now: _Round = field(default_factory=_Round)

    @classmethod
    def on(cls, pipeline: Pipeline, stage: RankStage) -> _Watch:
        """Stand between a pipeline and its parts."""
        watch = cls()
        retrieve, score, featurize = pipeline.retrieve, stage.ranker.score, stage.featurize

        def exactly(placement: Any, query: Any, eligible_V: NDArray[np.bool_], **options: Any) -> Merged:
            found = retrieve(placement, query, eligible_V, **options)
            started = time.perf_counter()
            merged = with_exactly(found, NUM_CANDIDATES, eligible_V)
            watch.now.num_found, watch.now.num_candidates = len(found.rows_K), len(merged.rows_K)
            watch.now.total_ms -= _since(started)  # no server does this
            return merged

        def timed(call: Callable[..., Any], name: str) -> Callable[..., Any]:
            def answer(*arguments: Any) -> Any:
                started = time.perf_counter()
                result = call(*arguments)
                setattr(watch.now, name, getattr(watch.now, name) + _since(started))
                return result

            return answer

        pipeline.retrieve = exactly  # type: ignore[method-assign]
        stage.ranker.score = timed(score, "forward_ms")  # type: ignore[method-assign]
        stage.featurize = timed(featurize, "featurize_ms")  # type: ignore[method-assign]
        return watch

    def time(self, recommender: Recommender, request: Any) -> _Round:
        """One answer."""
        self.now = _Round()
        started = time.perf_counter()
        answer = recommender.recommend(request)
        self.now.total_ms += _since(started)
        self.now.fell_back = bool(answer.degraded)
        return self.now


def with_exactly(found: Merged, number: int, eligible_V: NDArray[np.bool_]) -> Merged:
    """The candidates that sources listed first, or other eligible items beside them, so that there are so many.

    A shop of fewer items gives fewer.
    """
    import numpy as np

    from aisle.pipeline import Merged

    rows_K, scores_KS, ranks_KS = found.rows_K, found.scores_KS, found.ranks_KS
    if len(rows_K) >= number:
        first_K = np.where(ranks_KS > 0, ranks_KS, np.iinfo(ranks_KS.dtype).max).min(axis=1)
        kept = np.sort(np.argsort(first_K, kind="stable")[:number])
        return Merged(rows_K[kept], scores_KS[kept], ranks_KS[kept])
    others = np.setdiff1d(np.flatnonzero(eligible_V), rows_K)[: number - len(rows_K)]
    rows = np.concatenate([rows_K, others.astype(rows_K.dtype)])
    order = np.argsort(rows)
    padding = ((0, len(others)), (0, 0))
    return Merged(rows[order], np.pad(scores_KS, padding)[order], np.pad(ranks_KS, padding)[order])


def _sizes(stage: RankStage) -> dict[str, Any]:
    tables = stage.ranker.embeddings
    arrays = tables.table.arrays().values()
    return {
        "kind": stage.model,
        "features": len(stage.inputs.names),
        "dense": len(stage.ranker.dense_names),
        "tables": len(tables.features),
        "table_rows": sum(feature.num_embeddings for feature in tables.features),
        "embedding_dim": tables.table.embedding_dim,
        "table_parameters": sum(array.size for array in arrays if array.dtype.kind == "f"),
        "table_bytes": sum(array.nbytes for array in arrays),
        "graph_bytes": stage.ranker.graph_bytes,
    }


def _since(started: float) -> float:
    return (time.perf_counter() - started) * 1000
