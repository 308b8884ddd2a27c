"""What sources of candidates add on UCI Online Retail: recall of the candidates, and NDCG of the blend.

All sources of the recipe are fitted once before each window and once a horizon earlier, where the blends are fitted.
Each method has the sources of ``for-you`` but those it is denied, candidates merged and blends fitted anew; differences
are paired over the users of all windows. Writes `benchmarks/results/candidate_sources.json`.

    AISLE_DATA=/path/to/data python -m benchmarks.candidate_sources

Legend of shapes: R questions, K candidates.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aisle import recipe as recipes
from aisle.cli.hardware import describe_hardware
from aisle.cli.progress import show_progress
from aisle.evaluate.report import MethodScores, measure, report_of
from aisle.evaluate.shop_temporal import PLACEMENT, padded
from aisle.evaluate.windows import VARIANT_OF, Window, cut_windows
from aisle.metrics import Targets
from aisle.pipeline import Blend, Pipeline, RepeatPolicy
from aisle.pipeline.blend import Merged, merge
from aisle.pipeline.generators import Candidates
from aisle.progress import Progress
from aisle.recipe import ShopRecipe
from aisle.schema import DAY_MS
from aisle.train.shop.blend import fit_blend
from aisle.train.shop.blend_examples import Examples, pad_examples
from aisle.train.shop.pipelines import ShopPipelines, window_of
from benchmarks.online_retail import RESULTS, write
from benchmarks.shop import Shop, online_retail

#: What is measured beside the recipe's own sources, one after the other and all together.
ADDED = {
    "transitions": "{kind: transitions, history_half_life_days: 30}",
    "sequence": "{kind: sequence}",
}
DEPTH, LENGTH = 300, 20
METRICS = (f"test/recall_plain@{DEPTH}/full", f"test/ndcg@{LENGTH}/full")

_Found = Mapping[str, Candidates]


@dataclass(frozen=True)
class Asked:
    """What every source says to the questions of a window under one repeat policy."""

    found_R: Sequence[_Found]
    targets_R: Sequence[NDArray[np.int32]]
    num_rows: int

    def merged_R(self, sources: Sequence[str]) -> list[Merged]:
        """The candidates that some of the sources bring."""
        return [merge([found[name] for name in sources], self.num_rows) for found in self.found_R]

    def examples(self, sources: Sequence[str]) -> Examples:
        """What a blend of these sources is fitted on."""
        merged_R = self.merged_R(sources)
        return pad_examples(
            [merged.normalized_KS() for merged in merged_R],
            [np.isin(merged.rows_K, targets) for merged, targets in zip(merged_R, self.targets_R, strict=True)],
            [len(targets) for targets in self.targets_R],
            len(sources),
        )

    def score(self, sources: Sequence[str], blend: Blend, variant: str) -> dict[str, NDArray[np.float64]]:
        """Metrics of the candidates in the order of a blend, and how many candidates there are."""
        merged_R = self.merged_R(sources)
        orders = [np.argsort(-blend.shares_KS(one, sources).sum(axis=1), kind="stable") for one in merged_R]
        ranked_RK = padded([one.rows_K[order] for one, order in zip(merged_R, orders, strict=True)], DEPTH)
        targets = Targets.from_lists(list(self.targets_R))
        values = measure(ranked_RK, targets, (f"recall_plain@{DEPTH}", f"ndcg@{LENGTH}"), variant=variant)
        hits = [np.isin(targets, one.rows_K).mean() for one, targets in zip(merged_R, self.targets_R, strict=True)]
        values[f"test/recall_plain@all/full/{variant}"] = np.array(hits)
        values[f"test/num_candidates/{variant}"] = np.array([len(one.rows_K) for one in merged_R], np.float64)
        return values


def ask(pipeline: Pipeline, window: Window, repeat: RepeatPolicy) -> Asked:
    """Ask all sources of ``for-you`` the questions of a window."""
    asked = window.asked(repeat)
    k = pipeline.candidates_per_source
    found = []
    for one in asked:
        eligible_V = window.eligible_V(one, repeat)
        found.append(
            {
                name: pipeline.generators[name].candidates(one.query, k, eligible_V)
                for name in pipeline.placement(PLACEMENT).sources
            }
        )
    return Asked(found, [one.targets for one in asked], window.snapshot.num_items)


class Trials:
    """Pipelines with all sources and what they say, by time; pipelines are kept in the shop's work directory."""

    def __init__(self, shop: Shop, num_windows: int, progress: Progress) -> None:
        self._shop, self._num_windows, self._progress = shop, num_windows, progress
        self._pipelines = ShopPipelines(shop.recipe, shop.log, shop.fitters, shop.work, progress)
        self._asked: dict[tuple[int, RepeatPolicy], Asked] = {}

    @property
    def times(self) -> list[int]:
        """Of the windows, the latest first."""
        horizon_days = self._shop.recipe.windows.horizon_days
        return cut_windows(self._shop.log, horizon_days=horizon_days, count=self._num_windows)

    def asked(self, until_ms: int, repeat: RepeatPolicy) -> Asked:
        """What the sources fitted at a time say to the window after it."""
        if (until_ms, repeat) not in self._asked:
            pipeline = self._pipelines.bare(until_ms)
            self._progress("ask the sources", 0, None)
            window = window_of(self._shop.recipe, self._shop.log, self._shop.log.before(until_ms))
            self._asked[until_ms, repeat] = ask(pipeline, window, repeat)
        return self._asked[until_ms, repeat]

    def score(self, sources: Sequence[str], until_ms: int) -> MethodScores:
        """One window's values of a choice of sources, blended as they were best a horizon earlier."""
        earlier_ms = until_ms - self._shop.recipe.windows.horizon_days * DAY_MS
        scores = MethodScores("ablation")
        for repeat, variant in VARIANT_OF.items():
            self._progress("fit blends", 0, None)
            blend = fit_blend(sources, [self.asked(earlier_ms, repeat).examples(sources)], seed=self._shop.recipe.seed)
            for metric, values in self.asked(until_ms, repeat).score(sources, blend, variant).items():
                scores.add(metric, values)
        print(until_ms, sources[-2:], scores.means(), flush=True)
        return scores


def methods_of(recipe: ShopRecipe) -> dict[str, list[str]]:
    """The sources of each method: all, without one of the added, and without all of them."""
    sources = recipe.placements[PLACEMENT].sources
    methods = {"all sources": sources}
    for name in ADDED:
        methods[f"without {name}"] = [source for source in sources if source != name]
    methods["without " + " and ".join(ADDED)] = [source for source in sources if source not in ADDED]
    return methods


def with_added(base: str, overrides: Sequence[str]) -> ShopRecipe:
    """The recipe with the added sources."""
    sources = [*recipes.load(base).placements[PLACEMENT].sources, *ADDED]
    return recipes.load(
        base,
        [
            *(f"generators.{name}={spec}" for name, spec in ADDED.items()),
            f"placements.{PLACEMENT}.sources=[{', '.join(sources)}]",
            *overrides,
        ],
    )


def measure_sources(directory: Path, base: str, overrides: Sequence[str], num_windows: int) -> dict[str, Any]:
    """The report: each method's metrics, and what the whole has over it."""
    started = time.perf_counter()
    recipe = with_added(base, ["ranker=null", *overrides])
    methods = methods_of(recipe)
    with show_progress() as progress, online_retail(directory, recipe, progress) as shop:
        trials = Trials(shop, num_windows, progress)
        by_window = [
            {name: trials.score(sources, time_ms) for name, sources in methods.items()} for time_ms in trials.times
        ]
    together = {name: MethodScores("ablation") for name in methods}
    for window in by_window:
        for name, found in window.items():
            for metric, values in found.per_question.items():
                together[name].add(metric, values)
    paired = tuple(f"{metric}/{variant}" for metric in METRICS for variant in VARIANT_OF.values())
    counts = {
        variant: len(together["all sources"].per_question[f"{METRICS[0]}/{variant}"]) for variant in VARIANT_OF.values()
    }
    return {
        "benchmark": "candidate_sources",
        "rerun": f"AISLE_DATA=/path/to/data python -m benchmarks.candidate_sources --recipe {base}",
        "recipe": recipes.dump(recipe),
        "hardware": describe_hardware(),
        "seconds": round(time.perf_counter() - started, 1),
        "windows": [{name: found.means() for name, found in window.items()} for window in by_window],
        "report": report_of("shop-temporal", together, placement="all sources", paired_metrics=paired, counts=counts),
    }


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="shop-quick", help="whose sources are the others")
    parser.add_argument("--set", dest="overrides", action="append", default=[], help="override one value of the recipe")
    parser.add_argument("--windows", type=int, default=3, help="so many windows of the recipe's horizon")
    parser.add_argument("--keep", type=Path, help="a directory that keeps what is made, to go on from")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the file is written")
    arguments = parser.parse_args()
    kept = nullcontext(arguments.keep) if arguments.keep else tempfile.TemporaryDirectory(prefix="aisle-sources-")
    with kept as folder:
        result = measure_sources(Path(folder), arguments.recipe, arguments.overrides, arguments.windows)
    write(arguments.results, "candidate_sources", result)


if __name__ == "__main__":
    main()
