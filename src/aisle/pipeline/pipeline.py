"""The pipeline of one bundle: retrieve, filter, rank, rerank, over item rows.

Training asks it for candidates, evaluation scores it, the server and the shell answer with it: one piece of code.

Legend of shapes: V item rows, K merged candidates, S sources, n answered items.
"""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from aisle.bundle import Bundle, BundleWriter
from aisle.errors import BundleError, ConfigError
from aisle.features.drift import Observed
from aisle.pipeline.blend import Blend, Merged, merge
from aisle.pipeline.generators import Candidates, EncodesNewItems, Generator, generator_kind
from aisle.pipeline.placement import LatestRule, NewcomerRule, Placement
from aisle.pipeline.query import Query
from aisle.pipeline.rank_stage import OverBudgetError, RankStage
from aisle.pipeline.request import RepeatPolicy
from aisle.pipeline.rerank import Answered, Cap, answer_latest, answer_newcomer, fill, within_caps
from aisle.schema import Item

logger = logging.getLogger(__name__)

PIPELINE_FILE = "pipeline"
ITEM_IDS_FILE = "ids/items"


@dataclass
class Ranked:
    """The pipeline's answer in rows, best first, and what is needed to explain it.

    ``shares_KS`` are the blend's, also where a ranker gave the order; ``placed`` names the source of each row that a
    rule or a filler put in its place; ``policy`` what gave the order; ``observed`` what a ranker saw of the candidates.
    """

    rows_n: NDArray[np.int32]
    scores_n: NDArray[np.float32]
    merged: Merged
    shares_KS: NDArray[np.float32]
    sources: tuple[str, ...]
    policy: str
    placed: dict[int, str] = field(default_factory=dict)
    degraded: list[str] = field(default_factory=list)
    stage_ms: dict[str, float] = field(default_factory=dict)
    observed: Observed | None = None

    def source_of(self, at: int) -> str:
        """The source to name for a merged candidate: that of the greatest share.

        A ranker also answers candidates to which the blend gives nothing; they are named after the source that listed
        them first.
        """
        shares_S, ranks_S = self.shares_KS[at], self.merged.ranks_KS[at]
        if shares_S.max() > 0:
            return self.sources[int(np.argmax(shares_S))]
        return self.sources[int(np.argmin(np.where(ranks_S > 0, ranks_S, np.iinfo(ranks_S.dtype).max)))]


class Pipeline:
    """Generators and placements over one item id map.

    Args:
        item_ids: Item id by row; "" for the two reserved rows.
        generators: By name.
        placements: By name.
        signals: How strongly each event type speaks for an item in a profile (a purchase: 1).
        target: The event type that the shop wants.
        candidates_per_source: How many items each source may bring.
        history_limit: How many of a visitor's last events a query holds.
        fitted_until_ms: Nothing at or after this time was seen by any fit.
        rank_stage: Ranks one placement; the others, and that one where it fails, are ranked by their blends.
        is_taken_V: Which items somebody took before the fit; all if missing. Items behind them are new.
        last_event_ms: When the last event that the fit saw happened; just before ``fitted_until_ms`` if missing.
    """

    def __init__(
        self,
        *,
        item_ids: list[str],
        generators: Mapping[str, Generator],
        placements: Mapping[str, Placement],
        signals: Mapping[str, float],
        target: str,
        candidates_per_source: int,
        history_limit: int,
        fitted_until_ms: int,
        rank_stage: RankStage | None = None,
        is_taken_V: NDArray[np.bool_] | None = None,
        last_event_ms: int | None = None,
    ) -> None:
        self.item_ids = item_ids
        self.generators = generators
        self.placements = placements
        self.signals = signals
        self.target = target
        self.candidates_per_source = candidates_per_source
        self.history_limit = history_limit
        self.fitted_until_ms = fitted_until_ms
        self.last_event_ms = fitted_until_ms - 1 if last_event_ms is None else last_event_ms
        self.rank_stage = rank_stage
        self._is_taken_V = np.ones(len(item_ids), np.bool_) if is_taken_V is None else is_taken_V

    def placement(self, name: str) -> Placement:
        """One placement by name.

        Raises:
            ConfigError: the pipeline has no such placement.
        """
        if name not in self.placements:
            raise ConfigError(f"placement: expected one of {', '.join(self.placements)}, received {name!r}")
        return self.placements[name]

    def with_placements(self, placements: Mapping[str, Placement]) -> Pipeline:
        """The same generators under other placements."""
        changed = copy.copy(self)
        changed.placements = placements
        return changed

    def with_rank_stage(self, rank_stage: RankStage | None) -> Pipeline:
        """The same with another ranker, or with none."""
        changed = copy.copy(self)
        changed.rank_stage = rank_stage
        return changed

    def with_new_items(self, items: Sequence[Item | None]) -> Pipeline:
        """The fitted pipeline with newer items behind its rows, in their order (``None``: no record).

        Sources that find newer items are told in place, for both pipelines share them; the ranker is another one.
        """
        for generator in self.generators.values():
            if isinstance(generator, EncodesNewItems):
                generator.set_new_items(items)
        return self if self.rank_stage is None else self.with_rank_stage(self.rank_stage.with_new_items(items))

    def retrieve(
        self,
        placement: Placement,
        query: Query,
        eligible_V: NDArray[np.bool_],
        *,
        budget_ms: float | None = None,
        degraded: list[str] | None = None,
    ) -> Merged:
        """Ask the placement's sources, and merge what they bring.

        A source that fails, or would start when the budget is spent, is left out and named in ``degraded``.
        """
        started = time.perf_counter()
        found = []
        for name in placement.sources:
            candidates = _NOTHING
            if budget_ms is not None and (time.perf_counter() - started) * 1000 > budget_ms:
                _degrade(degraded, f"retrieve: {name} left out, past the budget of {budget_ms:g} ms")
            else:
                try:
                    candidates = self.generators[name].candidates(query, self.candidates_per_source, eligible_V)
                except Exception:  # one source must not take the answer down
                    if degraded is None:
                        raise
                    logger.exception("source %s failed", name)
                    _degrade(degraded, f"retrieve: {name} failed and was left out")
            found.append(candidates)
        return merge(found, query.num_rows)

    def recommend(
        self,
        placement_name: str,
        query: Query,
        *,
        repeat: RepeatPolicy,
        limit: int,
        eligible_V: NDArray[np.bool_],
        caps: Sequence[Cap] = (),
        budget_ms: float | None = None,
        rank_budget_ms: float | None = None,
        tolerant: bool = False,
    ) -> Ranked:
        """The best items for a query.

        Args:
            placement_name: Which placement asks.
            query: The profile; ``num_rows`` may exceed the bundle's items where the catalogue has newer ones.
            repeat: Chooses the blend; what was bought must already be left out of ``eligible_V``.
            limit: At most so many items.
            eligible_V: Which items may be answered (the filter stage, so that a narrow filter still finds enough).
            caps: How many items of one group (a family of variants, a category, a brand) the answer may hold.
            budget_ms: Time for the sources.
            rank_budget_ms: Time for the ranker; past it the blend ranks.
            tolerant: Leave failing sources out, and rank by the blend where the ranker fails (serving), instead of
                raising (evaluation).
        """
        placement = self.placement(placement_name)
        degraded: list[str] = []
        clock = _Clock()
        merged = self.retrieve(
            placement, query, eligible_V, budget_ms=budget_ms, degraded=degraded if tolerant else None
        )
        clock.lap("retrieve")
        shares_KS = placement.blends[repeat].shares_KS(merged, placement.sources)
        answer, policy, observed = self._rank(
            placement, query, merged, shares_KS, rank_budget_ms, degraded if tolerant else None
        )
        clock.lap("rank")
        answer = self._rerank(placement, repeat, query, merged, answer, limit, eligible_V, caps)
        clock.lap("rerank")
        return Ranked(
            answer.rows_n,
            answer.scores_n,
            merged,
            shares_KS,
            placement.sources,
            policy,
            answer.placed,
            degraded,
            clock.laps,
            observed,
        )

    def _rerank(
        self,
        placement: Placement,
        repeat: RepeatPolicy,
        query: Query,
        merged: Merged,
        answer: Answered,
        limit: int,
        eligible_V: NDArray[np.bool_],
        caps: Sequence[Cap],
    ) -> Answered:
        """What the list must be beyond the order of scores."""
        if placement.latest is not None:
            nearest = self.generators[placement.latest.source]
            answer = answer_latest(answer, placement.latest, nearest, query, limit, eligible_V)
        if placement.newcomer is not None:
            new_K = self._is_new(merged.rows_K)
            ranks_K = merged.ranks_KS[new_K, placement.sources.index(placement.newcomer.source)]
            answer = answer_newcomer(answer, placement.newcomer, merged.rows_K[new_K], ranks_K, limit)
        capped = within_caps(answer, caps, limit)
        fillers = [] if placement.fill is None else [placement.fill]
        if not fillers and len(capped.rows_n) < len(answer.rows_n):
            # Where caps made it short, its sources have more behind the candidates that they were asked for.
            fillers = [name for name in placement.sources if placement.blends[repeat].weights.get(name, 0) > 0]
        for name in fillers:
            if len(capped.rows_n) < limit:
                capped = fill(capped, name, self.generators[name], query, limit, eligible_V, caps)
        return capped

    def _is_new(self, rows_K: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Which rows nobody had taken at the time of the fit."""
        is_known_K = rows_K < len(self._is_taken_V)
        new_K: NDArray[np.bool_] = ~is_known_K
        new_K[is_known_K] = ~self._is_taken_V[rows_K[is_known_K]]
        return new_K

    def _rank(
        self,
        placement: Placement,
        query: Query,
        merged: Merged,
        shares_KS: NDArray[np.float32],
        budget_ms: float | None,
        degraded: list[str] | None,
    ) -> tuple[Answered, str, Observed | None]:
        """All candidates by the ranker's probabilities, or those of positive blend score by the blend's."""
        stage = self.rank_stage
        if stage is not None and stage.placement == placement.name:
            deadline = None if budget_ms is None else time.perf_counter() + budget_ms / 1000
            try:
                ranked = stage.rank(query, merged, placement.sources, deadline=deadline)
                return Answered(ranked.rows_K, ranked.probability_K), stage.model, ranked.observed
            except OverBudgetError:
                _degrade(degraded, f"rank: past the budget of {budget_ms:g} ms, by the blend instead")
            except Exception:  # the ranker must not take the answer down
                if degraded is None:
                    raise
                logger.exception("the ranker failed")
                _degrade(degraded, "rank: the ranker failed, by the blend instead")
        scores_K = shares_KS.sum(axis=1)
        order = np.argsort(-scores_K, kind="stable")
        order = order[scores_K[order] > 0]
        return Answered(merged.rows_K[order], scores_K[order]), "blend", None

    def save(self, writer: BundleWriter) -> None:
        """Write everything that :meth:`load` reads."""
        items = {"item_id": self.item_ids, "is_taken": self._is_taken_V}
        writer.write_frame(ITEM_IDS_FILE, pl.DataFrame(items, schema={"item_id": pl.String, "is_taken": pl.Boolean}))
        generators = [
            {"name": name, "kind": generator.kind, "parameters": generator.save(writer)}
            for name, generator in self.generators.items()
        ]
        placements = [
            {
                "name": placement.name,
                "asks_with": placement.asks_with,
                "sources": list(placement.sources),
                "blends": {policy: dict(blend.weights) for policy, blend in placement.blends.items()},
                "fill": placement.fill,
                "latest": None if placement.latest is None else asdict(placement.latest),
                "newcomer": None if placement.newcomer is None else asdict(placement.newcomer),
            }
            for placement in self.placements.values()
        ]
        document = {
            "generators": generators,
            "placements": placements,
            "signals": dict(self.signals),
            "target": self.target,
            "candidates_per_source": self.candidates_per_source,
            "history_limit": self.history_limit,
            "fitted_until_ms": self.fitted_until_ms,
            "last_event_ms": self.last_event_ms,
            "has_ranker": self.rank_stage is not None,
        }
        writer.write_json(PIPELINE_FILE, document)
        if self.rank_stage is not None:
            self.rank_stage.save(writer)

    @classmethod
    def load(cls, bundle: Bundle) -> Pipeline:
        """Read a pipeline from a verified bundle.

        Raises:
            BundleError: a part is missing or of an unknown kind.
        """
        document: dict[str, Any] = bundle.read_json(PIPELINE_FILE)
        try:
            generators = {
                entry["name"]: generator_kind(entry["kind"]).load(entry["name"], bundle, entry["parameters"])
                for entry in document["generators"]
            }
            placements = {
                entry["name"]: Placement(
                    entry["name"],
                    entry["asks_with"],
                    tuple(entry["sources"]),
                    {policy: Blend(weights) for policy, weights in entry["blends"].items()},
                    entry["fill"],
                    None if entry["latest"] is None else LatestRule(**entry["latest"]),
                    None if entry["newcomer"] is None else NewcomerRule(**entry["newcomer"]),
                )
                for entry in document["placements"]
            }
            items = bundle.read_frame(ITEM_IDS_FILE)
            return cls(
                item_ids=items["item_id"].to_list(),
                generators=generators,
                placements=placements,
                signals=document["signals"],
                target=document["target"],
                candidates_per_source=document["candidates_per_source"],
                history_limit=document["history_limit"],
                fitted_until_ms=document["fitted_until_ms"],
                rank_stage=RankStage.load(bundle) if document["has_ranker"] else None,
                is_taken_V=items["is_taken"].to_numpy(),
                last_event_ms=document.get("last_event_ms"),
            )
        except KeyError as error:
            raise BundleError(f"{PIPELINE_FILE}: expected the key {error}; train again with this version") from error


_NOTHING = Candidates(np.zeros(0, np.int32), np.zeros(0, np.float32))


class _Clock:
    """Milliseconds of each named stage."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.laps[stage] = (now - self._last) * 1000
        self._last = now


def _degrade(degraded: list[str] | None, message: str) -> None:
    if degraded is not None:
        degraded.append(message)
