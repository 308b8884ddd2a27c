"""Whether a shop that goes on learning sells more: simulated visitors, served by the real pipeline for two months.

One simulated shop per seed. After a history under lists of its own it is trained, and then run three times from the
same day: by a model that is trained anew every ten days, by the model of the first day, and by popularity. Visitors see
what the server's `Recommender` answers; their events go into the store as live ones do. A day is measured by the
purchases that the truth leads one to expect from its lists. Writes `benchmarks/results/closed_loop.json`.

    python -m benchmarks.closed_loop --seeds 0,1,2,3,4 --jobs 2
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, nullcontext
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from scipy.stats import ttest_rel

from aisle import recipe as recipes
from aisle.assemble import shop_fitters
from aisle.cli.hardware import describe_hardware
from aisle.data.simulator import START_MS, History, World, simulate_history
from aisle.data.simulator.item_records import item_records
from aisle.evaluate.closed_loop import ClosedLoop, Day
from aisle.ingest import import_files
from aisle.pipeline import Recommender
from aisle.recipe import ShopRecipe
from aisle.schema import DAY_MS
from aisle.train.shop.session import train_in_workspace
from aisle.workspace import Workspace

RESULTS = Path(__file__).parent / "results"
LEARNING, FROZEN, POPULARITY = "learning", "frozen", "popularity"
POLICIES = (LEARNING, FROZEN, POPULARITY)
#: No stage runs out of time, or answers would depend on the machine.
SETTINGS = "simulated: true\nbudgets: {retrieve_ms: 60000, rank_ms: 60000}\n"
RECIPE = """
kind: shop
name: closed-loop
windows: {horizon_days: 14}
candidates_per_source: 60
generators:
  popular: {kind: popularity, half_life_days: [7, 20]}
  arrivals: {kind: arrivals, half_life_days: 20}
  own: {kind: repeats, half_life_days: [60], due: true}
  ease: {kind: ease, over: visitors, l2: 100, history_half_life_days: [30]}
  together: {kind: cooccurrence, similarity: [cosine]}
  content: {kind: content, dimension: 32}
placements:
  for-you:
    asks_with: history
    fit: next-window
    sources: [popular_7d, popular_20d, arrivals, own_60d, own_due, ease, together_cosine, content]
    fill: popular_7d
    newcomer: {source: content, nearest: 10, place: 8}
  popular: {asks_with: history, fit: none, sources: [popular_20d]}
ranker:
  examples: {snapshots: 2, every_days: 14, negatives: 20}
  model: {kind: field-dlrm, embedding_dim: 4, num_buckets: 16, dense_layers: [16], over_layers: [32]}
  training: {batch_size: 512, num_epochs: 2, learning_rate: 2e-3}
  calibration_questions: 100
"""


@dataclass(frozen=True)
class Sizes:
    """How large a shop is, how long its history, and how long it is watched.

    Attributes:
        num_users: People.
        num_items: Items, those included that come later.
        history_days: Before the first training.
        num_days: Watched.
        retrain_days: So many days lie between two trainings.
    """

    num_users: int = 300
    num_items: int = 200
    history_days: int = 90
    num_days: int = 60
    retrain_days: int = 10


def measure_seed(directory: Path, sizes: Sizes, recipe: ShopRecipe, seed: int) -> dict[str, Any]:
    """Run one shop under each policy, or go on where an earlier run stopped.

    Args:
        directory: Where workspaces lie while they run, and what was measured stays.
        sizes: Of the shop.
        recipe: What is trained.
        seed: Draws the shop.

    Returns:
        ``seed``, ``seconds``, and ``days`` and ``trainings`` by policy.
    """
    world = World.draw(sizes.num_users, sizes.num_items, sizes.history_days + sizes.num_days, seed)
    history = simulate_history(world, sizes.history_days)
    found: dict[str, Any] = {"seed": seed, "seconds": {}, "days": {}, "trainings": {}}
    for policy in POLICIES:
        kept = directory / f"seed-{seed}-{policy}.json"
        if not kept.exists():
            started = time.perf_counter()
            begin = _first_model(directory, world, history, sizes, recipe, trained=policy != POPULARITY)
            shop = shutil.copytree(begin, directory / f"seed-{seed}-{policy}", dirs_exist_ok=False)
            days, num_trainings = _run(shop, world, history, sizes, recipe, policy)
            shutil.rmtree(shop)
            seconds = round(time.perf_counter() - started, 1)
            measured = {"days": [asdict(day) for day in days], "trainings": num_trainings, "seconds": seconds}
            kept.write_text(json.dumps(measured), encoding="utf-8")
        for name, value in json.loads(kept.read_text(encoding="utf-8")).items():
            found[name][policy] = value
    return found


def _first_model(
    directory: Path, world: World, history: History, sizes: Sizes, recipe: ShopRecipe, *, trained: bool
) -> Path:
    """A workspace with the history; trained once, for the policies that begin with the same model."""
    path = directory / f"seed-{world.seed}-{'trained' if trained else 'plain'}"
    if path.exists():
        return path
    making = path.with_suffix(".making")
    shutil.rmtree(making, ignore_errors=True)
    workspace = Workspace.create(making, simulated=True)
    workspace.settings_path.write_text(SETTINGS, encoding="utf-8")
    opening_ms = START_MS + sizes.history_days * DAY_MS
    records = item_records(world).filter(pl.col("updated_at").cast(pl.Int64) < opening_ms)
    with closing(workspace.open_store()) as store:
        for kind, frame in (("items", records), ("events", history.events)):
            file = making / f"{kind}.parquet"
            frame.write_parquet(file)
            import_files(store, workspace.imports, kind, [file])
        if trained:
            train_in_workspace(workspace, store, recipe, shop_fitters)
    making.rename(path)
    return path


def _run(
    directory: Path, world: World, history: History, sizes: Sizes, recipe: ShopRecipe, policy: str
) -> tuple[list[Day], int]:
    workspace, days, num_trainings = Workspace.open(directory), [], 0
    with closing(workspace.open_store()) as store:
        recommender = Recommender(store, workspace.config, directory)
        placement = "popular" if policy == POPULARITY else "for-you"
        loop = ClosedLoop(world, history, store, recommender, from_day=sizes.history_days, placement=placement)
        for number in range(sizes.num_days):
            if policy == LEARNING and number and number % sizes.retrain_days == 0:
                train_in_workspace(workspace, store, recipe, shop_fitters)
                num_trainings += 1
            days.append(loop.run_day(sizes.history_days + number))
    return days, num_trainings


def summarize(measured: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Means by policy and day, and learning's lead over the others with 95 % intervals of a paired t-test over shops.

    Args:
        measured: What :func:`measure_seed` gave for each seed, at least two.
    """
    by_visit = {policy: [_per_visit(one["days"][policy]) for one in measured] for policy in POLICIES}
    daily = {
        policy: np.mean([[day["conversion"] for day in one["days"][policy]] for one in measured], axis=0).tolist()
        for policy in POLICIES
    }
    leads = {}
    for other in (FROZEN, POPULARITY):
        test = ttest_rel(by_visit[LEARNING], by_visit[other])
        interval = test.confidence_interval(0.95)
        lead = float(np.mean(np.array(by_visit[LEARNING]) - np.array(by_visit[other])))
        leads[other] = {"difference": lead, "low": float(interval.low), "high": float(interval.high)}
    return {
        "conversion": {policy: float(np.mean(values)) for policy, values in by_visit.items()},
        "by_seed": by_visit,
        "daily": daily,
        "learning_minus": leads,
    }


def _per_visit(days: Sequence[Mapping[str, Any]]) -> float:
    """The mean over all visits of all days."""
    return float(np.average([day["conversion"] for day in days], weights=[day["num_visits"] for day in days]))


def measure(directory: Path, sizes: Sizes, overrides: Sequence[str], seeds: Sequence[int], jobs: int) -> dict[str, Any]:
    """All seeds, some side by side."""
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / "recipe.yaml"
    file.write_text(RECIPE, encoding="utf-8")
    recipe = recipes.load(file, list(overrides))
    work = partial(measure_seed, directory, sizes, recipe)
    if jobs == 1:
        measured = [work(seed) for seed in seeds]
    else:
        with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
            measured = list(pool.map(work, seeds))
    return {
        "benchmark": "closed_loop",
        "hardware": describe_hardware(),
        "sizes": asdict(sizes),
        "recipe": recipe.model_dump(mode="json"),
        "seeds": list(seeds),
        **summarize(measured),
        "runs": measured,
    }


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", dest="overrides", action="append", default=[], help="override one value of the recipe")
    parser.add_argument("--seeds", type=lambda text: [int(part) for part in text.split(",")], default=[0, 1, 2, 3, 4])
    parser.add_argument("--days", type=int, default=Sizes.num_days, help="how many days are watched")
    parser.add_argument("--jobs", type=int, default=2, help="processes, one shop each")
    parser.add_argument("--keep", type=Path, help="a directory that keeps what is measured, to go on from")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the file is written")
    arguments = parser.parse_args()
    kept = nullcontext(arguments.keep) if arguments.keep else tempfile.TemporaryDirectory(prefix="aisle-loop-")
    with kept as folder:
        sizes = Sizes(num_days=arguments.days)
        result = measure(Path(folder), sizes, arguments.overrides, arguments.seeds, arguments.jobs)
    path = arguments.results / "closed_loop.json"
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(path)


if __name__ == "__main__":
    main()
