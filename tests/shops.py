"""Whole shops for tests: simulated data, imported and trained as a user would."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from aisle import recipe as recipes
from aisle.assemble import generator_fitter
from aisle.data.simulate import Simulated, simulate_shop
from aisle.ingest import import_files
from aisle.train.session import train_in_workspace
from aisle.workspace import Workspace


def simulated() -> Simulated:
    """The shop that :func:`make_trained_shop` imports, with its truth."""
    return simulate_shop(num_users=150, num_items=120, num_days=150, seed=0)


def make_trained_shop(directory: Path) -> Path:
    """A workspace with a simulated shop's events and an active bundle (a few seconds)."""
    workspace = Workspace.create(directory)
    shop = simulated()
    shop.items.write_parquet(directory / "items.parquet")
    shop.events.write_parquet(directory / "events.parquet")
    with closing(workspace.open_store()) as store:
        import_files(store, workspace.imports, "items", [directory / "items.parquet"])
        import_files(store, workspace.imports, "events", [directory / "events.parquet"])
        recipe = recipes.load("shop", [])
        assert train_in_workspace(workspace, store, recipe, generator_fitter(recipe)).activated
    return directory
