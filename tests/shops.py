"""Whole shops for tests: simulated data, imported and trained by the commands that a user calls."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import polars as pl

from aisle.cli.entry import run

NUM_USERS, NUM_ITEMS, NUM_DAYS, SEED = 200, 120, 150, 0
#: A pair bought together less often than this before the end is not to be told from chance.
MIN_TOGETHER = 8

#: Settings under which no stage falls back, whatever else the machine is at.
NO_HASTE = "budgets: {retrieve_ms: 60000, rank_ms: 60000}\n"
#: A shop with a ranker that is small enough to be trained for a test.
RANKED = """
kind: shop
name: ranked
windows: {horizon_days: 14}
candidates_per_source: 40
generators:
  popular: {kind: popularity, half_life_days: [20]}
  own: {kind: repeats, half_life_days: [60], due: false}
  together: {kind: cooccurrence, similarity: [cosine]}
  content: {kind: content, dimension: 16}
placements:
  for-you:
    asks_with: history
    fit: next-window
    sources: [popular_20d, own_60d, together_cosine, content]
    fill: popular_20d
    latest: {source: together_cosine, within_minutes: 60, nearest: 20, place: 3}
    newcomer: {source: content, nearest: 10, place: 8}
  similar-items: {asks_with: items, fit: same-category, sources: [content, together_cosine], fill: popular_20d}
  popular: {asks_with: history, fit: none, sources: [popular_20d]}
ranker:
  examples: {snapshots: 2, every_days: 14, negatives: 20}
  model: {kind: field-dlrm, embedding_dim: 2, num_buckets: 12, dense_layers: [8], over_layers: [16]}
  training: {batch_size: 256, num_epochs: 2}
  calibration_questions: 100
"""


def make_trained_shop(directory: Path) -> Path:
    """A workspace of a simulated shop with an active bundle, ranked by a blend; its files lie in ``data/``."""
    return _trained(directory, "shop-quick", "--set", "ranker=null")


def make_ranked_shop(directory: Path) -> Path:
    """The same shop, its placement ``for-you`` ranked by a model (some ten seconds; needs PyTorch)."""
    directory.mkdir(parents=True)
    recipe = directory / "ranked.yaml"
    recipe.write_text(RANKED)
    return _trained(directory, str(recipe))


def _trained(directory: Path, *recipe: str) -> Path:
    data = directory / "data"
    sizes = ["--users", str(NUM_USERS), "--items", str(NUM_ITEMS), "--days", str(NUM_DAYS), "--seed", str(SEED)]
    commands = [
        ["init", str(directory)],
        ["data", "simulate", *sizes, "--no-impressions", "-o", str(data)],
        ["-C", str(directory), "import", "items", str(data / "items.parquet")],
        ["-C", str(directory), "import", "events", str(data / "events.parquet")],
        ["-C", str(directory), "train", *recipe],
    ]
    for command in commands:
        assert run(command) == 0, command
    return directory


def planted_pairs(shop: Path) -> list[tuple[str, str]]:
    """The complements that were planted, those that were bought together often enough."""
    complements = [tuple(pair) for pair in json.loads((shop / "data" / "truth.json").read_text())["complements"]]
    purchases = pl.read_parquet(shop / "data" / "events.parquet").filter(pl.col("type") == "purchase")
    together: Counter[tuple[str, str]] = Counter()
    for items in purchases.group_by("order_id").agg(pl.col("item_id").unique())["item_id"].to_list():
        together.update((one, other) for one in items for other in items)
    return [(one, other) for one, other in complements if together[one, other] >= MIN_TOGETHER]
