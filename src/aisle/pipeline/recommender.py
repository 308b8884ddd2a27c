"""Answers requests over a live store: the same code for the shell and for every server worker."""

from __future__ import annotations

import logging
import math
import threading
import time
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from aisle.bundle import Bundle
from aisle.errors import AisleError, ConfigError
from aisle.pipeline.catalogue import Catalogue
from aisle.pipeline.pipeline import Pipeline, Ranked
from aisle.pipeline.query import Query
from aisle.pipeline.request import (
    PLACEMENTS,
    Answer,
    ItemFilter,
    RecommendationRequest,
    Recommended,
    RepeatPolicy,
    SourceShare,
)
from aisle.pipeline.rerank import Answered, Cap, within_caps
from aisle.pipeline.returns import returned_items
from aisle.pipeline.store_lists import StoreList, StoreLists
from aisle.store.contract import BundleRecord, HistoryRows, Store

logger = logging.getLogger(__name__)

NO_BUNDLE = "none"
DEFAULT_HISTORY_LIMIT = 1000
DEFAULT_TARGET = "purchase"
#: A bundle that could not be read is tried again after this time, not by every request.
RETRY_SECONDS = 10.0
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
        in_background: Load a newly active bundle beside the requests, which the one before goes on answering, so that
            none of them waits; otherwise the next request loads it.
    """

    def __init__(
        self, store: Store, settings: RecommenderSettings, directory: Path, *, in_background: bool = False
    ) -> None:
        self._store = store
        self._settings = settings
        self._directory = directory
        self._in_background = in_background
        #: Held while a bundle is loaded, and (within it) while what answers is used or changed.
        self._loading = threading.Lock()
        self._lock = threading.Lock()
        #: As the bundle holds it, and with the items that came since.
        self._fitted: Pipeline | None = None
        self._pipeline: Pipeline | None = None
        self._catalogue = Catalogue([])
        self._version = NO_BUNDLE
        self._history_limit = DEFAULT_HISTORY_LIMIT
        self._store_lists = StoreLists(store)
        self._refused: str | None = None
        self._fallback_refused: str | None = None
        self._retry_at = 0.0

    @property
    def model_version(self) -> str:
        """Version of the bundle that answers; ``none`` without one."""
        return self._version

    @property
    def catalogue(self) -> Catalogue:
        """The mirror of the catalogue as of the last refresh."""
        return self._catalogue

    @property
    def pipeline(self) -> Pipeline | None:
        """What answers, as of the last refresh: the active bundle's, and with it the items that came since."""
        return self._pipeline

    def refresh(self) -> list[str]:
        """Follow the registry's active bundle and the catalogue's changes, now; cheap when nothing changed.

        Returns:
            What could not be followed: where the newly active bundle cannot be used, the one before goes on answering.
        """
        with self._loading:
            degraded = self._follow()
        with self._lock:
            self._mirror()
        return degraded

    def _follow_soon(self) -> list[str]:
        """Follow the registry's active bundle in a thread of its own: the one before answers until it is loaded."""
        active = self._store.active_bundle()
        version = active.version if active is not None else NO_BUNDLE
        if version == self._version:
            return []
        is_refused = self._refused == version
        is_due = not is_refused or time.monotonic() >= self._retry_at
        if is_due and self._loading.acquire(blocking=False):
            threading.Thread(target=self._follow_and_release, name="load-bundle", daemon=True).start()
        return [self._cannot_use(version)] if is_refused else []

    def _follow_and_release(self) -> None:
        try:
            self._follow()
        except AisleError as error:  # the store was closed, or is busy: the next request tries again
            logger.warning("the active bundle could not be followed", exc_info=error)
        finally:
            self._loading.release()

    def _follow(self) -> list[str]:
        """Load the registry's active bundle where another one answers; ``_loading`` is held."""
        active = self._store.active_bundle()
        version = active.version if active is not None else NO_BUNDLE
        if version == self._version or self._try_activate(active, version):
            return []
        if self._fitted is None:
            self._fall_back()
        return [self._cannot_use(version)]

    def _cannot_use(self, version: str) -> str:
        return f"refresh: the bundle {version} cannot be used, {self._version} goes on answering"

    def _mirror(self) -> None:
        """Follow the catalogue's changes; ``_lock`` is held."""
        changes = self._store.catalogue_changes(self._catalogue.change)
        if changes.items or changes.deleted:
            self._catalogue.apply(changes)
            changed = [
                self._catalogue.row_of.get(one) for one in (*(i.item_id for i in changes.items), *changes.deleted)
            ]
            if any(row is not None and row >= self._catalogue.num_fitted for row in changed):
                self._pipeline = self._fitted and self._fitted.with_new_items(self._catalogue.new_items())

    def _fall_back(self) -> None:
        """Answer by the bundle that was active before: a server that has just started has no other in memory."""
        previous = self._store.previous_bundle()
        if previous is None or self._fallback_refused == previous.version:
            return
        try:
            self._activate(previous, previous.version)
        except Exception as error:  # noqa: BLE001 - then popular items from the store must do
            self._fallback_refused = previous.version
            _log_refused(previous.version, self._version, error)

    def _try_activate(self, active: BundleRecord | None, version: str) -> bool:
        """Whether the bundle answers now; one that could not be read is tried again after a while."""
        if self._refused == version and time.monotonic() < self._retry_at:
            return False
        try:
            self._activate(active, version)
        except Exception as error:  # noqa: BLE001 - whatever is wrong, the one before is better than none
            _log_refused(version, self._version, error)
            self._refused, self._retry_at = version, time.monotonic() + RETRY_SECONDS
            return False
        self._refused = None
        return True

    def _activate(self, record: BundleRecord | None, version: str) -> None:
        """Load all that answers without holding up a request, and then change over at once."""
        fitted = None if record is None else Pipeline.load(self._open(record))
        catalogue = Catalogue(fitted.item_ids if fitted is not None else [])
        catalogue.apply(self._store.catalogue_changes(0))
        pipeline = fitted and fitted.with_new_items(catalogue.new_items())
        if pipeline is not None and self._in_background:
            _warm_up(pipeline, catalogue, self._store.now_ms())
        with self._lock:
            self._catalogue = catalogue
            self._history_limit = fitted.history_limit if fitted is not None else DEFAULT_HISTORY_LIMIT
            self._fitted, self._pipeline, self._version = fitted, pipeline, version

    def _open(self, record: BundleRecord) -> Bundle:
        # Who activates a bundle checks every hash, so a switch costs no worker the time; but files may have been
        # damaged before a server starts, when nobody waits yet, and what was refused must prove itself.
        in_doubt = self._fitted is None or self._refused == record.version
        return Bundle.open(self._directory / record.path, verify=in_doubt, manifest_sha256=record.manifest_sha256)

    def recommend(self, request: RecommendationRequest) -> Answer:
        """Answer one request.

        Raises:
            ConfigError: the placement is unknown, or needs ``items`` and received none.
        """
        self._check(request)
        started = time.perf_counter()
        history = self._store.history(request.user_id, request.session_id, self._history_limit)
        now_ms = self._store.now_ms()
        read_ms = (time.perf_counter() - started) * 1000
        counted = None
        if self._needs_store(request):  # before the lock is taken: counting a large shop's events takes a while
            counted = self._store_lists.list_for(request.placement, now_ms)
        degraded = self._follow_soon() if self._in_background else self.refresh()
        with self._lock:
            self._mirror()
            pipeline = self._pipeline
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
        return self._pipeline is None or request.placement not in self._pipeline.placements

    def _check(self, request: RecommendationRequest) -> None:
        if request.placement not in PLACEMENTS:
            raise ConfigError(f"placement: expected one of {', '.join(PLACEMENTS)}, received {request.placement!r}")
        if request.placement in ITEM_PLACEMENTS and not request.items:
            raise ConfigError(f"items: {request.placement} expects the items of the page or cart, received none")

    def _from_pipeline(
        self, pipeline: Pipeline, request: RecommendationRequest, history: HistoryRows, now_ms: int
    ) -> Answer:
        catalogue = self._catalogue
        repeat = request.repeat or self._settings.repeat_policy(request.placement)
        visitor = _visitor_query(pipeline, catalogue, history, now_ms)
        eligible_V = self._eligible(request, history, pipeline.target, repeat)
        placement = pipeline.placement(request.placement)
        query = visitor
        if placement.asks_with == "items":
            rows = [row for item_id in request.items if (row := catalogue.row_of.get(item_id)) is not None]
            query = Query.of_items(np.array(rows, np.int32), now_ms=now_ms, num_rows=catalogue.num_rows)
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
        return Answer(items, self._version, ranked.degraded, ranked.policy, ranked.stage_ms, ranked.observed)

    def _eligible(
        self, request: RecommendationRequest, history: HistoryRows, target: str, repeat: RepeatPolicy
    ) -> NDArray[np.bool_]:
        """The filter stage: the request's conditions, and what this visitor must not see."""
        catalogue = self._catalogue
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
            returned = returned_items(history, target)
            eligible_V[[row for item_id in returned if (row := catalogue.row_of.get(item_id)) is not None]] = False
        return eligible_V

    def _ever(self, request: RecommendationRequest, history: HistoryRows, kind: str) -> set[str]:
        """The items of all events of a type, also those too old for the history that was read."""
        if len(history.types) >= self._history_limit:
            return self._store.visitor_items(request.user_id, request.session_id, kind)
        return {item_id for one, item_id in zip(history.types, history.item_ids, strict=True) if one == kind}

    def _caps(self, placement: str) -> list[Cap]:
        """One of a family of variants, and what the settings say of categories and brands."""
        catalogue = self._catalogue
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
        return Recommended(self._catalogue.item_ids[row], float(ranked.scores_n[number]), source, reason, sources)

    def _title(self, row: int) -> str:
        item = self._catalogue.records[row]
        return (item.title if item is not None else None) or self._catalogue.item_ids[row]

    def _from_store(self, request: RecommendationRequest, history: HistoryRows, counted: StoreList) -> Answer:
        """Popular items straight from the events, where no bundle answers the placement."""
        name, popular = counted.name, counted.scores
        catalogue = self._catalogue
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
            missing = "no model yet" if self._pipeline is None else f"{self._version} has no such placement"
            degraded.append(f"rank: {missing}, popular items instead")
        return Answer(items, self._version, degraded, policy=f"store-{name}")


def _log_refused(version: str, answering: str, error: Exception) -> None:
    unexpected = None if isinstance(error, AisleError) else error
    logger.error(
        "the bundle %s cannot be used (%s); %s goes on answering", version, error, answering, exc_info=unexpected
    )


def _warm_up(pipeline: Pipeline, catalogue: Catalogue, now_ms: int) -> None:
    """Ask each placement once, so that no visitor waits for pages of files or for the ranker's first run."""
    eligible_V = catalogue.eligible_V(ItemFilter())
    query = Query.of_items(np.flatnonzero(eligible_V)[:1].astype(np.int32), now_ms=now_ms, num_rows=catalogue.num_rows)
    for name in pipeline.placements:
        pipeline.recommend(name, query, repeat="allow", limit=10, eligible_V=eligible_V, tolerant=True)


def _visitor_query(pipeline: Pipeline, catalogue: Catalogue, history: HistoryRows, now_ms: int) -> Query:
    """The visitor's events in rows, those of known items whose type says something.

    Repeated lines of an order are one entry: quantities are summed, the first price stands.
    """
    pieces: dict[tuple[str, str, int], float] = {}
    entries: list[tuple[int, int, float, bool, float]] = []
    for kind, item_id, time_ms, quantity, price in zip(
        history.types, history.item_ids, history.times_ms, history.quantities, history.prices, strict=True
    ):
        strength = pipeline.signals.get(kind, 0.0)
        row = catalogue.row_of.get(item_id)
        if strength <= 0 or row is None:
            continue
        key = (kind, item_id, time_ms)
        told = math.nan if quantity is None else quantity
        if key not in pieces:
            pieces[key] = told
            entries.append((row, time_ms, strength, kind == pipeline.target, math.nan if price is None else price))
        elif quantity is not None:
            pieces[key] = quantity if math.isnan(pieces[key]) else pieces[key] + quantity
    rows, times, strengths, taken, prices = zip(*entries, strict=True) if entries else ((), (), (), (), ())
    return Query(
        now_ms,
        catalogue.num_rows,
        np.array(rows, np.int32),
        np.array(times, np.int64),
        np.array(strengths, np.float32),
        np.array(taken, np.bool_),
        np.array(list(pieces.values()), np.float64),
        np.array(prices, np.float64),
    )
