"""Answers requests over a live store: the same code for the shell and for every server worker."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from aisle.errors import ConfigError
from aisle.pipeline.active_model import ActiveModel
from aisle.pipeline.catalogue import Catalogue
from aisle.pipeline.pipeline import Pipeline, Ranked
from aisle.pipeline.placement import Placement
from aisle.pipeline.query import Query
from aisle.pipeline.request import (
    PLACEMENTS,
    Answer,
    RecommendationRequest,
    Recommended,
    RepeatPolicy,
    SourceShare,
)
from aisle.pipeline.rerank import Answered, Cap, within_caps
from aisle.pipeline.returns import returned_items
from aisle.pipeline.store_lists import StoreList, StoreLists
from aisle.pipeline.visitor_query import visitor_query
from aisle.store.contract import HistoryRows, Store

DEFAULT_TARGET = "purchase"
ITEM_PLACEMENTS = ("similar-items", "bought-together")
AGAIN_PLACEMENT = "buy-it-again"


class RecommenderSettings(Protocol):
    """What the recommender wants to know of a workspace."""

    def repeat_policy(self, placement: str) -> RepeatPolicy:
        """The placement's repeat policy where a request names none."""
        ...

    def max_per_category(self, placement: str) -> int | None:
        """How many items of one category the placement's lists may hold; ``None``: any number."""
        ...

    def max_per_brand(self, placement: str) -> int | None:
        """How many items of one brand the placement's lists may hold; ``None``: any number."""
        ...

    @property
    def retrieve_budget_ms(self) -> float:
        """Time for the sources of one request."""
        ...

    @property
    def rank_budget_ms(self) -> float:
        """Time for the ranker of one request."""
        ...


class Recommender:
    """The active bundle's pipeline over the store's live state.

    Args:
        store: Where history, catalogue and the registry are read, on each request.
        settings: Policies and budgets.
        directory: The workspace's; registered paths of bundles are relative to it.
        in_background: See :class:`aisle.pipeline.active_model.ActiveModel`.
    """

    def __init__(
        self, store: Store, settings: RecommenderSettings, directory: Path, *, in_background: bool = False
    ) -> None:
        self._store = store
        self._settings = settings
        self._in_background = in_background
        self._model = ActiveModel(store, directory, in_background=in_background)
        self._store_lists = StoreLists(store)

    @property
    def model_version(self) -> str:
        """Version of the bundle that answers; ``none`` without one."""
        return self._model.version

    @property
    def catalogue(self) -> Catalogue:
        """The mirror of the catalogue as of the last refresh."""
        return self._model.catalogue

    @property
    def pipeline(self) -> Pipeline | None:
        """What answers, as of the last refresh: the active bundle's, and with it the items that came since."""
        return self._model.pipeline

    def refresh(self) -> list[str]:
        """Follow the registry's active bundle and the catalogue's changes, now; cheap when nothing changed.

        Returns:
            What could not be followed: where the newly active bundle cannot be used, the one before goes on answering.
        """
        return self._model.refresh()

    def recommend(self, request: RecommendationRequest) -> Answer:
        """Answer one request.

        Raises:
            ConfigError: the placement is unknown, or needs ``items`` and received none.
        """
        self._check(request)
        started = time.perf_counter()
        history = self._store.history(request.user_id, request.session_id, self._model.history_limit)
        now_ms = self._store.now_ms()
        read_ms = (time.perf_counter() - started) * 1000
        counted = None
        if self._needs_store(request):  # before the lock is taken: counting a large shop's events takes a while
            counted = self._store_lists.list_for(request.placement, now_ms)
        degraded = self._model.follow_soon() if self._in_background else self.refresh()
        with self._model.lock:
            self._model.mirror()
            pipeline = self._model.pipeline
            if pipeline is None or self._needs_store(request):
                counted = counted or self._store_lists.list_for(request.placement, now_ms)
                answer = self._from_store(request, history, counted)
            else:
                answer = self._from_pipeline(pipeline, request, history, now_ms)
        answer.degraded.extend(degraded)
        answer.stage_ms["read"] = read_ms
        return answer

    def _needs_store(self, request: RecommendationRequest) -> bool:
        """Whether no bundle answers the placement."""
        pipeline = self._model.pipeline
        return pipeline is None or request.placement not in pipeline.placements

    def _check(self, request: RecommendationRequest) -> None:
        if request.placement not in PLACEMENTS:
            raise ConfigError(f"placement: expected one of {', '.join(PLACEMENTS)}, received {request.placement!r}")
        if request.placement in ITEM_PLACEMENTS and not request.items:
            raise ConfigError(f"items: {request.placement} expects the items of the page or cart, received none")

    def _from_pipeline(
        self, pipeline: Pipeline, request: RecommendationRequest, history: HistoryRows, now_ms: int
    ) -> Answer:
        catalogue = self.catalogue
        repeat = request.repeat or self._settings.repeat_policy(request.placement)
        visitor = visitor_query(pipeline, catalogue, history, now_ms, request.user_id)
        eligible_V = self._eligible(request, history, pipeline.target, repeat)
        placement = pipeline.placement(request.placement)
        query = self._query(placement, request, visitor)
        if placement.asks_with == "session":
            eligible_V[query.rows_n] = False
        ranked = pipeline.recommend(
            request.placement,
            query,
            repeat=repeat,
            limit=request.limit,
            eligible_V=eligible_V,
            caps=self._caps(request.placement),
            budget_ms=self._settings.retrieve_budget_ms,
            rank_budget_ms=self._settings.rank_budget_ms,
            tolerant=True,
        )
        items = [
            self._explain(pipeline, query, ranked, number, request.explain) for number in range(len(ranked.rows_n))
        ]
        return Answer(items, self.model_version, ranked.degraded, ranked.policy, ranked.stage_ms, ranked.observed)

    def _query(self, placement: Placement, request: RecommendationRequest, visitor: Query) -> Query:
        """What the placement's sources are asked with."""
        if placement.asks_with == "history":
            return visitor
        if placement.asks_with == "session" and not request.items:
            return visitor.latest_visit()
        row_of = self.catalogue.row_of
        rows = [row for item_id in request.items if (row := row_of.get(item_id)) is not None]
        # Of a page or a cart the items ask, whoever looks at them; within a visit it is still the visitor.
        user_id = visitor.user_id if placement.asks_with == "session" else None
        return Query.of_items(
            np.array(rows, np.int32), now_ms=visitor.now_ms, num_rows=visitor.num_rows, user_id=user_id
        )

    def _eligible(
        self, request: RecommendationRequest, history: HistoryRows, target: str, repeat: RepeatPolicy
    ) -> NDArray[np.bool_]:
        """The filter stage: the request's conditions, and what this visitor must not see."""
        catalogue = self.catalogue
        eligible_V = catalogue.eligible_V(request.filter)
        hidden = self._ever(request, history, "hide")
        taken = self._ever(request, history, target) if repeat == "exclude" else set()
        named = (*request.exclude, *request.items, *hidden, *taken)
        rows = [row for item_id in named if (row := catalogue.row_of.get(item_id)) is not None]
        eligible_V[rows] = False
        families = catalogue.family_V[rows]  # a variant of what must not be shown is no better
        eligible_V[np.isin(catalogue.family_V, families[families >= 0])] = False
        if request.placement == AGAIN_PLACEMENT:
            # Only the very item: who changed one size for another may well buy that one again.
            kept = self._ever(request, history, target) - returned_items(history, target)
            kept_V = np.zeros_like(eligible_V)
            kept_V[[row for item_id in kept if (row := catalogue.row_of.get(item_id)) is not None]] = True
            eligible_V &= kept_V
        return eligible_V

    def _ever(self, request: RecommendationRequest, history: HistoryRows, kind: str) -> set[str]:
        """The items of all events of a type, also those too old for the history that was read."""
        if len(history.types) >= self._model.history_limit:
            return self._store.visitor_items(request.user_id, request.session_id, kind)
        return {item_id for one, item_id in zip(history.types, history.item_ids, strict=True) if one == kind}

    def _caps(self, placement: str) -> list[Cap]:
        """One of a family of variants, and what the settings say of categories and brands."""
        catalogue = self.catalogue
        caps = [Cap(catalogue.family_V, 1)]
        for group_V, most in (
            (catalogue.leaf_V, self._settings.max_per_category(placement)),
            (catalogue.brand_V, self._settings.max_per_brand(placement)),
        ):
            if most is not None:
                caps.append(Cap(group_V, most))
        return caps

    def _explain(self, pipeline: Pipeline, query: Query, ranked: Ranked, number: int, explain: bool) -> Recommended:
        row = int(ranked.rows_n[number])
        at = int(np.searchsorted(ranked.merged.rows_K, row))
        merged = at < len(ranked.merged.rows_K) and ranked.merged.rows_K[at] == row and ranked.scores_n[number] > 0
        shares_S = ranked.shares_KS[at] if merged else np.zeros(0)
        source = ranked.placed.get(row) or ranked.source_of(at)
        sentence, because = pipeline.generators[source].reason(query, row)
        reason = sentence.replace("{item}", self._title(because)) if because is not None else sentence
        sources = {}
        if explain and merged:
            sources = {
                name: SourceShare(float(score), int(rank), float(share))
                for name, score, rank, share in zip(
                    ranked.sources,
                    ranked.merged.scores_KS[at],
                    ranked.merged.ranks_KS[at],
                    shares_S,
                    strict=True,
                )
                if score > 0
            }
        return Recommended(self.catalogue.item_ids[row], float(ranked.scores_n[number]), source, reason, sources)

    def _title(self, row: int) -> str:
        item = self.catalogue.records[row]
        return (item.title if item is not None else None) or self.catalogue.item_ids[row]

    def _from_store(self, request: RecommendationRequest, history: HistoryRows, counted: StoreList) -> Answer:
        """Popular items straight from the events, where no bundle answers the placement."""
        name, popular = counted.name, counted.scores
        catalogue = self.catalogue
        catalogue.learn(list(popular))
        repeat = request.repeat or self._settings.repeat_policy(request.placement)
        eligible_V = self._eligible(request, history, DEFAULT_TARGET, repeat)
        rows = np.array([catalogue.row_of[item_id] for item_id in popular], np.int32)
        scores = np.array(list(popular.values()), np.float32)
        allowed = eligible_V[rows] if len(rows) else np.zeros(0, np.bool_)
        answer = within_caps(Answered(rows[allowed], scores[allowed]), self._caps(request.placement), request.limit)
        reason = f"{name.capitalize()} in the last {counted.days} days"
        items = [
            Recommended(catalogue.item_ids[row], float(score), f"store_{name}", reason)
            for row, score in zip(answer.rows_n, answer.scores_n, strict=True)
        ]
        degraded = []
        if request.placement not in ("popular", "trending"):
            missing = "no model yet" if self.pipeline is None else f"{self.model_version} has no such placement"
            degraded.append(f"rank: {missing}, popular items instead")
        return Answer(items, self.model_version, degraded, policy=f"store-{name}")
