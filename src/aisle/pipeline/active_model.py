"""What answers: the registry's active bundle, followed while requests go on, over a mirror of the catalogue."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path

import numpy as np

from aisle.bundle import Bundle
from aisle.errors import AisleError
from aisle.pipeline.catalogue import Catalogue
from aisle.pipeline.pipeline import Pipeline
from aisle.pipeline.query import Query
from aisle.pipeline.request import ItemFilter
from aisle.store.contract import BundleRecord, Store

logger = logging.getLogger(__name__)

NO_BUNDLE = "none"
DEFAULT_HISTORY_LIMIT = 1000
#: A bundle that could not be read is tried again after this time, not by every request.
RETRY_SECONDS = 10.0


class ActiveModel:
    """The active bundle's pipeline and the catalogue, as of the last time that they were followed.

    Args:
        store: Where the registry and the catalogue are read.
        directory: The workspace's; registered paths of bundles are relative to it.
        in_background: Bundles are loaded beside the requests, so a new one is asked once before it answers.

    Attributes:
        lock: Held while what answers is used or changed.
        pipeline: With the items that came since the fit; ``None`` without a bundle.
        catalogue: The mirror.
        version: Of the bundle; ``none`` without one.
        history_limit: How many of a visitor's events the pipeline reads.
    """

    def __init__(self, store: Store, directory: Path, *, in_background: bool = False) -> None:
        self._store = store
        self._directory = directory
        self._in_background = in_background
        #: Held while a bundle is loaded; ``lock`` is taken within it, never the other way round.
        self._loading = threading.Lock()
        self.lock = threading.Lock()
        self._fitted: Pipeline | None = None  # as the bundle holds it
        self.pipeline: Pipeline | None = None
        self.catalogue = Catalogue([])
        self.version = NO_BUNDLE
        self.history_limit = DEFAULT_HISTORY_LIMIT
        self._refused: str | None = None
        self._fallback_refused: str | None = None
        self._retry_at = 0.0

    def refresh(self) -> list[str]:
        """Follow the registry's active bundle and the catalogue's changes, now; cheap when nothing changed.

        Returns:
            What could not be followed: where the newly active bundle cannot be used, the one before goes on answering.
        """
        with self._loading:
            degraded = self._follow()
        with self.lock:
            self.mirror()
        return degraded

    def follow_soon(self) -> list[str]:
        """Follow the registry's active bundle in a thread of its own: the one before answers until it is loaded."""
        active = self._store.active_bundle()
        version = active.version if active is not None else NO_BUNDLE
        if version == self.version:
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
        if version == self.version or self._try_activate(active, version):
            return []
        if self._fitted is None:
            self._fall_back()
        return [self._cannot_use(version)]

    def _cannot_use(self, version: str) -> str:
        return f"refresh: the bundle {version} cannot be used, {self.version} goes on answering"

    def mirror(self) -> None:
        """Follow the catalogue's changes; ``lock`` is held."""
        changes = self._store.catalogue_changes(self.catalogue.change)
        if changes.items or changes.deleted:
            self.catalogue.apply(changes)
            changed = [
                self.catalogue.row_of.get(one) for one in (*(i.item_id for i in changes.items), *changes.deleted)
            ]
            if any(row is not None and row >= self.catalogue.num_fitted for row in changed):
                self.pipeline = self._fitted and self._fitted.with_new_items(self.catalogue.new_items())

    def _fall_back(self) -> None:
        """Answer by the bundle that was active before: a server that has just started has no other in memory."""
        previous = self._store.previous_bundle()
        if previous is None or self._fallback_refused == previous.version:
            return
        try:
            self._activate(previous, previous.version)
        except Exception as error:  # noqa: BLE001 - then popular items from the store must do
            self._fallback_refused = previous.version
            _log_refused(previous.version, self.version, error)

    def _try_activate(self, active: BundleRecord | None, version: str) -> bool:
        """Whether the bundle answers now; one that could not be read is tried again after a while."""
        if self._refused == version and time.monotonic() < self._retry_at:
            return False
        try:
            self._activate(active, version)
        except Exception as error:  # noqa: BLE001 - whatever is wrong, the one before is better than none
            _log_refused(version, self.version, error)
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
        with self.lock:
            self.catalogue = catalogue
            self.history_limit = fitted.history_limit if fitted is not None else DEFAULT_HISTORY_LIMIT
            self._fitted, self.pipeline, self.version = fitted, pipeline, version

    def _open(self, record: BundleRecord) -> Bundle:
        # Who activates a bundle checks every hash, so a switch costs no worker the time; but files may have been
        # damaged before a server starts, when nobody waits yet, and what was refused must prove itself.
        in_doubt = self._fitted is None or self._refused == record.version
        return Bundle.open(self._directory / record.path, verify=in_doubt, manifest_sha256=record.manifest_sha256)


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
