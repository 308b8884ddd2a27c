"""The parts of the simulated shop: its assortment, its people, what they see and do, and the truth behind it."""

from aisle.data.simulator.assortment import CATEGORIES, Assortment
from aisle.data.simulator.history import History, simulate_history
from aisle.data.simulator.truth import Truth, TruthTables, truth_of, write_truth
from aisle.data.simulator.world import START, START_MS, World

__all__ = [
    "CATEGORIES",
    "START",
    "START_MS",
    "Assortment",
    "History",
    "Truth",
    "TruthTables",
    "World",
    "simulate_history",
    "truth_of",
    "write_truth",
]
