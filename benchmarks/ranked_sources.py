"""What sources of candidates add on UCI Online Retail with the recipe's ranker behind them.

All sources are fitted once before each time. Each method has the sources of ``for-you`` but those it is denied: it
trains the recipe's rankers under several seeds on the examples without them, and orders the lists without them (see
`benchmarks/ablation.py`). Differences are paired over users. Of the targets that only added sources found it is told
where the ranker puts them. Writes `benchmarks/results/ranked_sources.json`.

    AISLE_DATA=/path/to/data python -m benchmarks.ranked_sources --recipe shop-quick --seeds 0,1,2

Legend of shapes: R rows, F candidate features, L lists.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Container, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aisle import recipe as recipes
from aisle.cli.hardware import describe_hardware
from aisle.cli.progress import show_progress
from aisle.evaluate.report import MethodScores
from aisle.evaluate.shop_temporal import LENGTH, PLACEMENT, report_windows
from aisle.evaluate.windows import VARIANT_OF, Window, cut_windows
from aisle.features.candidates import CandidateFeaturizer
from aisle.pipeline.rank_stage import RankStage
from aisle.progress import Progress
from aisle.recipe import ShopRecipe
from aisle.schema import format_timestamp
from aisle.train.shop.ranker import ExamplesOf, fit_rank_stage
from aisle.train.shop.ranker_examples import RankerExamples
from aisle.train.shop.ranker_snapshots import RankerSnapshots, ranker_of
from benchmarks.ablation import Denied, measure_ranked, stage_scores
from benchmarks.candidate_sources import ADDED, methods_of, with_added
from benchmarks.online_retail import RESULTS, write
from benchmarks.shop import Shop, online_retail, whole_lists


class Trials:
    """Fitted snapshots with all sources, and what rankers are taught and tested with, kept in the shop's directory."""

    def __init__(self, shop: Shop, num_windows: int, progress: Progress) -> None:
        self._shop, self._progress = shop, progress
        self.snapshots = RankerSnapshots(shop.recipe, shop.log, shop.fitters, shop.work, progress)
        self.times = cut_windows(shop.log, horizon_days=shop.recipe.windows.horizon_days, count=num_windows)

    def rank(self, until_ms: int, denied: Denied, seeds: Sequence[int]) -> Ranked:
        """Order the window's lists without some sources by rankers that were trained without them."""
        base, window = self.snapshots.fitted(until_ms), self.snapshots.window(until_ms)
        lists = whole_lists(self._shop, self.snapshots, until_ms, self._progress)
        if denied.sources:
            lists = denied.rows(lists, base.featurizer)
        logits = [self._logits(until_ms, denied, lists, seed) for seed in seeds]
        runs = [measure_ranked(window, lists, one, "ablation") for one in logits]
        for run in runs:
            for metric, values_L in of_candidates(window, lists).items():
                run.add(metric, values_L)
        return Ranked(
            MethodScores.averaged(runs),
            [run.means() for run in runs],
            {} if denied.sources else where_placed(base.featurizer, lists, logits),
        )

    def _logits(self, until_ms: int, denied: Denied, lists: RankerExamples, seed: int) -> NDArray[np.float32]:
        """The log odds [R] that a ranker gives to whole lists, kept so that a benchmark that was killed goes on."""
        name = "-".join([format_timestamp(until_ms)[:10], *denied.sources, str(seed)])
        kept = self._shop.work.path / "logits" / f"{name}.npy"
        if not kept.exists():
            logits_R = stage_scores(self._train(until_ms, denied, seed), lists)
            kept.parent.mkdir(exist_ok=True)
            partial_file = kept.with_suffix(".partial")
            with partial_file.open("wb") as stream:
                np.save(stream, logits_R, allow_pickle=False)
            partial_file.rename(kept)
        return np.asarray(np.load(kept, allow_pickle=False), np.float32)

    def _train(self, until_ms: int, denied: Denied, seed: int) -> RankStage:
        build = self._shop.fitters.build_ranker
        assert build is not None, "a recipe with a ranker comes with what builds it"
        base, examples = self.snapshots.fitted(until_ms), self.snapshots.learnt_from(until_ms)
        if denied.sources:
            examples = [ExamplesOf(one.fitted, denied.rows(one.rows, one.fitted.featurizer)) for one in examples]
        self._progress("train a ranker", 0, None)
        return fit_rank_stage(ranker_of(self._shop.recipe), base, examples, build, seed=seed).stage


@dataclass(frozen=True)
class Ranked:
    """One window's lists of a method: means over seeds, the metrics of each seed, and where what was added stands."""

    scores: MethodScores
    by_seed: Sequence[Mapping[str, float]]
    placed: Mapping[str, Any]


def of_candidates(window: Window, lists: RankerExamples) -> dict[str, NDArray[np.float64]]:
    """Which share of each question's targets is among its candidates, and how many these are."""
    num_lists = sum(len(window.asked(repeat)) for repeat in VARIANT_OF)
    found_L = np.bincount(lists.list_R, weights=lists.label_R, minlength=num_lists)
    size_L = np.bincount(lists.list_R, minlength=num_lists)
    values, first = {}, 0
    for repeat, variant in VARIANT_OF.items():
        num_targets_L = np.array([len(one.targets) for one in window.asked(repeat)])
        part = slice(first, first + len(num_targets_L))
        values[f"test/recall_plain@all/full/{variant}"] = found_L[part] / num_targets_L
        values[f"test/num_candidates/{variant}"] = size_L[part].astype(np.float64)
        first += len(num_targets_L)
    return values


def where_placed(
    featurizer: CandidateFeaturizer,
    lists: RankerExamples,
    logits: Sequence[NDArray[np.float32]],
    added: Container[str] = tuple(ADDED),
) -> dict[str, Any]:
    """Of the targets that only added sources listed, and of all others: how many, and how far up rankers put them."""
    names = list(featurizer.names)
    others = [names.index(f"rank_{name}") for name in featurizer.sources if name not in added]
    only_added_R = ~(lists.features_RF[:, others] > 0).any(axis=1)
    is_taken_R = lists.label_R > 0
    places = [places_of(lists.list_R, one) for one in logits]
    found: dict[str, Any] = {"share_of_candidates_only_added": float(only_added_R.mean())}
    for name, chosen_R in (("only_added", only_added_R & is_taken_R), ("others", ~only_added_R & is_taken_R)):
        if chosen_R.any():
            found[name] = {
                "targets": int(chosen_R.sum()),
                "share_among_first_20": float(np.mean([(place[chosen_R] <= LENGTH).mean() for place in places])),
                "median_place": float(np.mean([np.median(place[chosen_R]) for place in places])),
            }
    return found


def places_of(list_R: NDArray[np.int64], scores_R: NDArray[np.float32]) -> NDArray[np.int64]:
    """The place, from 1, of each row in its list by falling score; equal scores keep their order."""
    order_R = np.lexsort((-scores_R, list_R))
    sorted_R = list_R[order_R]
    first_R = np.searchsorted(sorted_R, sorted_R)
    places_R = np.empty(len(list_R), np.int64)
    places_R[order_R] = np.arange(len(list_R)) - first_R + 1
    return places_R


def measure_sources(
    directory: Path, base: str, overrides: Sequence[str], num_windows: int, seeds: list[int], only: str
) -> dict[str, Any]:
    """The report: each method's metrics, what the whole has over it, and where the ranker puts what was added."""
    started = time.perf_counter()
    recipe = with_added(base, overrides)
    methods = {name: denied for name, denied in denied_of(recipe).items() if name == PLACEMENT or only in name}
    found: dict[str, list[Ranked]] = {name: [] for name in methods}
    with show_progress() as progress, online_retail(directory, recipe, progress) as shop:
        trials = Trials(shop, num_windows, progress)
        for number, until_ms in enumerate(trials.times, 1):
            for name, denied in methods.items():
                one = trials.rank(until_ms, denied, seeds)
                found[name].append(one)
                print(f"window {number}: {name}", one.by_seed, one.placed, flush=True)
        windows = [trials.snapshots.window(until_ms) for until_ms in trials.times]
    numbers = range(num_windows)
    return {
        "benchmark": "ranked_sources",
        "rerun": f"AISLE_DATA=/path/to/data python -m benchmarks.ranked_sources --recipe {base} "
        f"--windows {num_windows} --seeds {','.join(map(str, seeds))}" + (f" --only '{only}'" if only else ""),
        "recipe": recipes.dump(recipe),
        "hardware": describe_hardware(),
        "seconds": round(time.perf_counter() - started, 1),
        "seeds": seeds,
        "by_seed": [{name: ranked[number].by_seed for name, ranked in found.items()} for number in numbers],
        "placed": [one.placed for one in found[PLACEMENT]],
        "report": report_windows(windows, {name: [one.scores for one in ranked] for name, ranked in found.items()}, {}),
    }


def denied_of(recipe: ShopRecipe) -> dict[str, Denied]:
    """What each method is denied; the whole, which bears the placement's name, first."""
    whole, *others = methods_of(recipe).items()
    return {PLACEMENT: Denied()} | {
        name: Denied(sources=tuple(source for source in whole[1] if source not in kept)) for name, kept in others
    }


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="shop-quick", help="whose other sources and ranker they are")
    parser.add_argument("--set", dest="overrides", action="append", default=[], help="override one value of the recipe")
    parser.add_argument("--windows", type=int, default=3, help="so many windows of the recipe's horizon")
    parser.add_argument("--seeds", type=lambda text: [int(part) for part in text.split(",")], default=[0, 1, 2])
    parser.add_argument("--only", default="", help="only methods whose names hold this, as in 'without sequence'")
    parser.add_argument("--keep", type=Path, help="a directory that keeps what is made, to go on from")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the file is written")
    arguments = parser.parse_args()
    kept = nullcontext(arguments.keep) if arguments.keep else tempfile.TemporaryDirectory(prefix="aisle-ranked-")
    with kept as folder:
        result = measure_sources(
            Path(folder), arguments.recipe, arguments.overrides, arguments.windows, arguments.seeds, arguments.only
        )
    write(arguments.results, "ranked_sources", result)


if __name__ == "__main__":
    main()
