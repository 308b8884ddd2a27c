"""What sources of candidates add on UCI Online Retail with the recipe's ranker behind them.

All sources are fitted once before each time. Each method has the sources of ``for-you`` but those it is denied: it
trains the recipe's rankers under several seeds on the examples without them, and orders the lists without them (see
`benchmarks/ablation.py`). A control is denied what was added too, but has as many columns of noise. Differences in
``report`` are of means over seeds and paired over users; intervals in ``over_seeds`` are over users and seeds;
``averaged`` ranks by the mean log odds of all seeds. Of the targets that only added sources found it is told where the
ranker puts them. Writes `benchmarks/results/ranked_sources.json`.

    AISLE_DATA=/path/to/data python -m benchmarks.ranked_sources --recipe shop-quick --seeds 0,1,2,3,4,5

Legend of shapes: R rows, F candidate features, L lists.
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
from aisle.evaluate.report import MethodScores
from aisle.evaluate.shop_temporal import LENGTH, PLACEMENT, report_windows
from aisle.evaluate.windows import VARIANT_OF, Window, cut_windows
from aisle.pipeline.rank_stage import RankStage
from aisle.progress import Progress
from aisle.recipe import ShopRecipe
from aisle.schema import format_timestamp
from aisle.train.shop.ranker import ExamplesOf, fit_rank_stage
from aisle.train.shop.ranker_examples import RankerExamples
from aisle.train.shop.ranker_snapshots import RankerSnapshots, ranker_of
from benchmarks.ablation import Denied, measure_ranked, stage_scores
from benchmarks.candidate_facts import auc_of_sources, of_candidates, where_placed
from benchmarks.candidate_sources import ADDED, methods_of, with_added
from benchmarks.online_retail import RESULTS, write
from benchmarks.over_seeds import compare_over_seeds
from benchmarks.shop import Shop, online_retail, whole_lists

#: What gets intervals over users and seeds.
COMPARED = tuple(f"test/ndcg@{LENGTH}/full/{variant}" for variant in VARIANT_OF.values())


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
        averaged_R = np.mean(logits, axis=0, dtype=np.float32)
        return Ranked(
            runs,
            measure_ranked(window, lists, averaged_R, "ablation"),
            {} if denied.sources else where_placed(base.featurizer, lists, logits),
        )

    def auc_of_sources(self, until_ms: int) -> list[dict[str, Any]]:
        """Of the lists that a ranker of this time learns from, and of those that it orders, last."""
        tested = ExamplesOf(self.snapshots.fitted(until_ms), whole_lists(self._shop, self.snapshots, until_ms))
        learnt_from = self.snapshots.learnt_from(until_ms)
        return [
            {
                "snapshot": format_timestamp(one.fitted.featurizer.fitted_until_ms)[:10],
                "is_tested": one is tested,
                "auc": auc_of_sources(one.fitted.featurizer, one.rows),
            }
            for one in [*reversed(learnt_from), tested]
        ]

    def _logits(self, until_ms: int, denied: Denied, lists: RankerExamples, seed: int) -> NDArray[np.float32]:
        """The log odds [R] that a ranker gives to whole lists, kept so that a benchmark that was killed goes on."""
        shuffled = ["shuffled"] if denied.is_shuffled else []
        name = "-".join([format_timestamp(until_ms)[:10], *denied.sources, *shuffled, str(seed)])
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
    """One window's lists of a method.

    Attributes:
        runs: The scores under each seed.
        averaged: Those of the mean log odds of all seeds.
        placed: Where the targets stand that only added sources found.
    """

    runs: Sequence[MethodScores]
    averaged: MethodScores
    placed: Mapping[str, Any]

    @property
    def by_seed(self) -> list[dict[str, float]]:
        """The metrics of each seed."""
        return [run.means() for run in self.runs]


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
        auc = [trials.auc_of_sources(until_ms) for until_ms in trials.times]
    return {
        "benchmark": "ranked_sources",
        "rerun": f"AISLE_DATA=/path/to/data python -m benchmarks.ranked_sources --recipe {base} "
        f"--windows {num_windows} --seeds {','.join(map(str, seeds))}" + (f" --only '{only}'" if only else ""),
        "recipe": recipes.dump(recipe),
        "hardware": describe_hardware(),
        "seconds": round(time.perf_counter() - started, 1),
        "seeds": seeds,
        "auc_of_sources": auc,
        **_results(windows, found),
    }


def _results(windows: Sequence[Window], found: Mapping[str, Sequence[Ranked]]) -> dict[str, Any]:
    """What the methods, one :class:`Ranked` per window each, came to."""
    means = {name: [MethodScores.averaged(one.runs) for one in ranked] for name, ranked in found.items()}
    averaged = report_windows(windows, {name: [one.averaged for one in ranked] for name, ranked in found.items()}, {})
    runs = {name: [one.runs for one in ranked] for name, ranked in found.items()}
    return {
        "by_seed": [{name: ranked[number].by_seed for name, ranked in found.items()} for number in range(len(windows))],
        "over_seeds": compare_over_seeds(runs, PLACEMENT, COMPARED),
        "averaged": {key: averaged[key] for key in ("windows", "all_windows")},
        "placed": [one.placed for one in found[PLACEMENT]],
        "report": report_windows(windows, means, {}),
    }


def denied_of(recipe: ShopRecipe) -> dict[str, Denied]:
    """What each method is denied; the whole, which bears the placement's name, first, and a control last."""
    whole, *others = methods_of(recipe).items()
    denied = {name: Denied(sources=tuple(source for source in whole[1] if source not in kept)) for name, kept in others}
    control = {f"without {' and '.join(ADDED)}, columns of noise": Denied(sources=tuple(ADDED), is_shuffled=True)}
    return {PLACEMENT: Denied()} | denied | control


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="shop-quick", help="whose other sources and ranker they are")
    parser.add_argument("--set", dest="overrides", action="append", default=[], help="override one value of the recipe")
    parser.add_argument("--windows", type=int, default=3, help="so many windows of the recipe's horizon")
    parser.add_argument(
        "--seeds", type=lambda text: [int(part) for part in text.split(",")], default=[0, 1, 2, 3, 4, 5]
    )
    parser.add_argument("--only", default="", help="only methods whose names hold this, as in 'without sequence'")
    parser.add_argument("--keep", type=Path, help="a directory that keeps what is made, to go on from")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the file is written")
    arguments = parser.parse_args()
    if len(arguments.seeds) < 2:
        parser.error(
            f"expected two seeds or more, received {arguments.seeds}: one says nothing of what others would do"
        )
    kept = nullcontext(arguments.keep) if arguments.keep else tempfile.TemporaryDirectory(prefix="aisle-ranked-")
    with kept as folder:
        result = measure_sources(
            Path(folder), arguments.recipe, arguments.overrides, arguments.windows, arguments.seeds, arguments.only
        )
    write(arguments.results, "ranked_sources", result)


if __name__ == "__main__":
    main()
