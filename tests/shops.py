"""Whole shops for tests: simulated data, imported and trained by the commands that a user calls."""

from __future__ import annotations

from pathlib import Path

from aisle.cli.entry import run
from aisle.data.simulate import Simulated, simulate_shop

NUM_USERS, NUM_ITEMS, NUM_DAYS, SEED = 150, 120, 150, 0


def simulated() -> Simulated:
    """The shop that :func:`make_trained_shop` imports, with its truth."""
    return simulate_shop(NUM_USERS, NUM_ITEMS, NUM_DAYS, SEED)


def make_trained_shop(directory: Path) -> Path:
    """A workspace with a simulated shop's events and an active bundle (a few seconds); its files lie in ``data/``."""
    data = directory / "data"
    sizes = ["--users", str(NUM_USERS), "--items", str(NUM_ITEMS), "--days", str(NUM_DAYS), "--seed", str(SEED)]
    commands = [
        ["init", str(directory)],
        ["data", "simulate", *sizes, "-o", str(data)],
        ["-C", str(directory), "import", "items", str(data / "items.parquet")],
        ["-C", str(directory), "import", "events", str(data / "events.parquet")],
        ["-C", str(directory), "train", "shop"],
    ]
    for command in commands:
        assert run(command) == 0, command
    return directory
