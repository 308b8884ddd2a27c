"""What becomes of a trained bundle: it is registered, and activated where it is not worse than the active one."""

from __future__ import annotations

from typing import Any, Literal

from aisle.bundle import Bundle
from aisle.store.contract import BundleRecord, Store
from aisle.train.shop.run_directory import RunDirectory
from aisle.workspace import Workspace

#: Whether a new bundle becomes the active one.
Activate = Literal["auto", "always", "never"]
GUARDED_METRIC = "test/ndcg@20/full/all"
#: A new bundle is worse than the active one when its metric is lower by more than this, about one standard error.
TOLERANCE = 0.01


def register(
    workspace: Workspace, store: Store, run: RunDirectory, bundle: Bundle, metrics: dict[str, Any], activate: Activate
) -> None:
    """Make a run's bundle known, and the active one unless it is worse or activation is not wanted."""
    root = workspace.directory.resolve()
    path = run.bundle.relative_to(root) if run.bundle.is_relative_to(root) else run.bundle
    recorded = {**metrics["metrics"], "split_ms": metrics["split_ms"]}
    if all(record.version != bundle.version for record in store.bundles()):  # else: killed after this, and resumed
        store.register_bundle(
            BundleRecord(
                version=bundle.version,
                path=str(path),
                manifest_sha256=bundle.manifest_sha256,
                created_ms=store.now_ms(),
                is_active=False,
                metrics=recorded,
            )
        )
    active = store.active_bundle()
    worse = active is not None and is_worse(recorded, active.metrics)
    if activate == "always" or (activate == "auto" and not worse):
        store.activate_bundle(bundle.version)


def is_worse(new: dict[str, float], active: dict[str, float]) -> bool:
    """Whether a bundle's recorded metric lies below the active one's by more than the tolerance.

    Only metrics of the same test window can be compared: a quiet month after a busy one makes no model worse.
    """
    if new.get("split_ms") != active.get("split_ms") or GUARDED_METRIC not in new or GUARDED_METRIC not in active:
        return False
    return new[GUARDED_METRIC] < active[GUARDED_METRIC] - TOLERANCE
