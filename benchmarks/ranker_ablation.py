"""What each part of the ranker is worth on UCI Online Retail: its kind, sources, features, training and calibration.

Each variant is trained from the examples of the whole ranker without what it is denied (see `benchmarks/ablation.py`),
under several seeds, and tested on the last window and on the one before it, so that nobody need choose on the last.
Lighter than the recipe, so that it ends in time: examples of fewer snapshots, one model where the recipe averages
several, and the number of epochs that early stopping found for the whole ranker. Writes
`benchmarks/results/ranker_ablation.json`.

    AISLE_DATA=/path/to/data python -m benchmarks.ranker_ablation --seeds 0,1,2
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from aisle import recipe as recipes
from aisle.assemble import ranker_builder
from aisle.cli.hardware import describe_hardware
from aisle.cli.progress import show_progress
from aisle.evaluate.candidate_lists import ScoredLists, measure_lists
from aisle.evaluate.report import MethodScores
from aisle.evaluate.shop_temporal import BY_BLEND, PLACEMENT, report_windows
from aisle.evaluate.windows import VARIANT_OF, Window
from aisle.pipeline.calibration import PlattCalibrator
from aisle.pipeline.rank_stage import RankStage
from aisle.progress import Progress, silent
from aisle.recipe import ShopRecipe
from aisle.recipe.ranker import DlrmSpec, FieldDlrmSpec, RankerSpec
from aisle.schema import DAY_MS
from aisle.train.shop.parts import snapshot_parts
from aisle.train.shop.ranker import ExamplesOf, FittedSnapshot, RankFit, calibrated, fit_rank_stage
from aisle.train.shop.ranker_examples import RankerExamples
from aisle.train.shop.ranker_snapshots import RankerSnapshots, example_times, ranker_of
from aisle.train.shop.side_by_side import Processes
from aisle.train.shop.training import train_shop
from benchmarks.ablation import Denied, blend_scores, measure_ranked, of_policies, stage_scores
from benchmarks.online_retail import RESULTS, write
from benchmarks.rankers import fit_booster, with_logistic_regression
from benchmarks.shop import Shop, online_retail, open_bench, whole_lists

NOTHING = Denied()
NUM_WINDOWS = 2
LIGHT = ["ranker.examples.snapshots=4", "ranker.members=1"]


@dataclass(frozen=True)
class Variant:
    """The whole ranker but for something: another specification, something denied, or trees instead."""

    spec: RankerSpec
    denied: Denied = NOTHING
    is_booster: bool = False
    #: Trained for the epochs of its own specification, not those that were best for the whole ranker.
    has_own_epochs: bool = False


#: Groups of features, as patterns of their names; the ids of a group go with it.
FEATURES = {
    "own history": ("own_*",),
    "item popularity and season": (
        "item_popularity*",
        "item_interest",
        "item_trend*",
        "item_season*",
        "item_baskets",
        "item_buyers",
    ),
    "the visitor": ("user_*",),
    "category and brand": ("category_*", "brand_*"),
    "sources' scores": ("score_*",),
    "sources' ranks": ("rank_*", "num_sources"),
    "sources' scores and ranks": ("score_*", "rank_*", "num_sources"),
}


def variants_of(recipe: ShopRecipe) -> dict[str, Variant]:
    """All variants by name, ``group: what``; the whole ranker first."""
    spec = ranker_of(recipe)
    whole = Variant(spec)
    found = {
        PLACEMENT: whole,
        "ranker: logistic regression": Variant(ranker_of(with_logistic_regression(recipe)), has_own_epochs=True),
        "ranker: LightGBM": replace(whole, is_booster=True),
    }
    for model in (DlrmSpec(kind="dlrm"), FieldDlrmSpec(kind="field-dlrm")):
        if model.kind != spec.model.kind:
            found[f"ranker: {model.kind}"] = Variant(spec.model_copy(update={"model": model}))
    used = recipe.placements[spec.placement].sources
    for name, generator in recipe.generators.items():
        if sources := tuple(source for source in generator.source_names(name) if source in used):
            found[f"without generator: {name}"] = replace(whole, denied=Denied(sources=sources))
    for name, patterns in FEATURES.items():
        kept = [one for one in spec.ids if f"{one}_*" not in patterns]
        found[f"without features: {name}"] = Variant(spec.model_copy(update={"ids": kept}), Denied(features=patterns))
    every = ["item", "category", "brand"]
    for name, ids in (("no ids", []), ("ids of category and brand", every[1:]), ("ids of item too", every)):
        if ids != spec.ids:
            found[f"ids: {name}"] = Variant(spec.model_copy(update={"ids": ids}))
    for repeat, variant in VARIANT_OF.items():
        found[f"training: without lists {variant}"] = replace(whole, denied=Denied(repeats=(repeat,)))
    if spec.training.listwise_weight > 0:
        training = spec.training.model_copy(update={"listwise_weight": 0.0, "pointwise_weight": 1.0})
        found["training: no listwise loss"] = Variant(spec.model_copy(update={"training": training}))
    return found


@dataclass(frozen=True)
class Trial:
    """One window, and all that the variants of its time are made and tested with."""

    recipe: ShopRecipe
    window: Window
    base: FittedSnapshot
    examples: Sequence[ExamplesOf]
    windows_of_examples: Sequence[Window]
    lists: RankerExamples
    num_epochs: int

    def stage(self, variant: Variant, seed: int) -> RankStage:
        """Train a variant."""
        spec, denied = variant.spec, variant.denied
        examples = []
        for one, window in zip(self.examples, self.windows_of_examples, strict=True):
            rows = one.rows
            if denied.repeats:
                rows = of_policies(rows, window, spec.examples.max_questions, denied.repeats)
            if denied.sources or denied.features:
                rows = denied.rows(rows, one.fitted.featurizer)
            examples.append(ExamplesOf(one.fitted, rows))
        if variant.is_booster:
            return fit_booster(self.base, examples, spec.placement)
        changed = self.recipe.model_copy(update={"ranker": spec})
        return fit_rank_stage(
            spec,
            self.base,
            examples,
            ranker_builder(changed, spec),
            num_epochs=None if variant.has_own_epochs else self.num_epochs,
            seed=seed,
        ).stage

    def score(self, variant: Variant, stage: RankStage) -> MethodScores:
        """Test a variant on whole lists without what it is denied."""
        lists = self.lists
        if variant.denied.sources or variant.denied.features:
            lists = variant.denied.rows(lists, self.base.featurizer)
        role = "placement" if variant == Variant(ranker_of(self.recipe)) else "ablation"
        return measure_ranked(self.window, lists, stage_scores(stage, lists), role)


class Trials:
    """The windows' trials; making one fits and stores what it needs."""

    def __init__(self, shop: Shop, progress: Progress = silent) -> None:
        self._shop = shop
        self._snapshots = RankerSnapshots(shop.recipe, shop.log, shop.fitters, shop.work, progress)
        self._horizon_ms = shop.recipe.windows.horizon_days * DAY_MS
        self._progress = progress

    @property
    def times(self) -> list[int]:
        """Of the windows, the latest first."""
        return [self._shop.log.end_ms - number * self._horizon_ms for number in range(1, NUM_WINDOWS + 1)]

    def prepare(self, until_ms: int) -> Trial:
        """Store all that is learnt from and tested on; the trial of one window, its epochs not yet known."""
        time_ms = until_ms - self._horizon_ms
        self._snapshots.learnt_from(time_ms)
        self._snapshots.lists(time_ms)
        return self.trial(until_ms, 1)

    def earlier(self, until_ms: int) -> RankFit:
        """The whole ranker of a horizon before, stopped early: it calibrates, and says how many epochs are best."""
        time_ms = until_ms - self._horizon_ms
        build = self._shop.fitters.build_ranker
        assert build is not None, "a recipe with a ranker comes with what builds it"
        return fit_rank_stage(
            ranker_of(self._shop.recipe),
            self._snapshots.fitted(time_ms),
            self._snapshots.learnt_from(time_ms),
            build,
            later=self._snapshots.lists(time_ms),
            seed=self._shop.recipe.seed,
            progress=self._progress,
        )

    def trial(self, until_ms: int, num_epochs: int) -> Trial:
        """The trial of one window."""
        recipe = self._shop.recipe
        base, window = self._snapshots.fitted(until_ms), self._snapshots.window(until_ms)
        times = example_times(recipe, self._shop.log, until_ms)
        return Trial(
            recipe,
            window,
            base,
            self._snapshots.learnt_from(until_ms),
            [self._snapshots.window(time_ms) for time_ms in times],
            whole_lists(self._shop, self._snapshots, until_ms, self._progress),
            num_epochs,
        )

    def calibration(self, until_ms: int, earlier: RankFit, trial: Trial, stage: RankStage) -> dict[str, Any]:
        """Probabilities of the whole ranker on all lists with repeats, calibrated and as training leaves them."""
        fitted = calibrated(stage, earlier, self._snapshots.lists(until_ms - self._horizon_ms))
        num_allow = len(trial.window.asked("allow"))
        kept = trial.lists.list_R < num_allow
        allowed = RankerExamples(**{name: getattr(trial.lists, name)[kept] for name in vars(trial.lists)})
        logits = stage_scores(stage, allowed)
        found = {}
        for name, calibrator in (("calibrated", fitted.ranker.calibrator), ("not calibrated", PlattCalibrator())):
            probabilities = calibrator.probabilities(logits)
            labels = np.asarray(allowed.label_R, np.float64)
            found[name] = measure_lists(ScoredLists(probabilities, labels, allowed.list_R, num_allow))
        return found


def run_window(directory: Path, recipe: ShopRecipe, names: list[str], number: int, seeds: list[int]) -> dict[str, Any]:
    """The variants of one window under all seeds, in a process of its own."""
    with online_retail(directory, recipe, silent) as shop:
        trials = Trials(shop)
        until_ms = trials.times[number]
        earlier = trials.earlier(until_ms)
        trial = trials.trial(until_ms, earlier.num_epochs)
        found: dict[str, Any] = {"scores": {}, "seconds": {}, "num_epochs": earlier.num_epochs}
        variants = variants_of(recipe)
        for name in names:
            variant = variants[name]
            started = time.perf_counter()
            # Trees draw nothing: they are the same under every seed.
            stages = [trial.stage(variant, seed) for seed in (seeds[:1] if variant.is_booster else seeds)]
            found["scores"][name] = [trial.score(variant, stage) for stage in stages]
            if name == PLACEMENT:
                found["calibration"] = trials.calibration(until_ms, earlier, trial, stages[0])
            found["seconds"][name] = round(time.perf_counter() - started, 1)
            print(f"window {number + 1}: {name}, {found['seconds'][name]} s", flush=True)
    return found


def blends(shop: Shop, trials: Sequence[Trial], progress: Progress) -> list[MethodScores]:
    """The candidates of each window in the order of the fitted blend."""
    unranked = shop.recipe.model_copy(update={"ranker": None})
    fit = train_shop(unranked, shop.log, shop.fitters, shop.work, progress=progress)
    found = []
    for trial, (window, pipeline) in zip(trials, fit.tests, strict=True):
        weights = pipeline.placement(PLACEMENT).blends
        scores = blend_scores(weights, trial.base.featurizer, trial.lists, len(window.asked("allow")))
        found.append(measure_ranked(window, trial.lists, scores, "stage"))
    return found


def measure_ablation(
    directory: Path, overrides: list[str], seeds: list[int], *, jobs: int, only: str
) -> dict[str, Any]:
    """The whole ranker, the blend, and the variants whose names hold ``only``; the report."""
    started = time.perf_counter()
    recipe = recipes.load("shop", [f"windows.test={NUM_WINDOWS}", *LIGHT, *overrides])
    names = [name for name in variants_of(recipe) if name == PLACEMENT or only in name]
    with show_progress() as progress, online_retail(directory, recipe, progress) as shop:
        trials = Trials(shop, progress)
        with Processes(partial(open_bench, directory, recipe), jobs) as processes:
            processes.make(snapshot_parts(recipe, shop.log), "make snapshots", progress)
        made = [trials.prepare(until_ms) for until_ms in trials.times]  # so that the processes only read
        windows = [trial.window for trial in made]
        by_blend = blends(shop, made, progress)
    prepared = time.perf_counter()
    # Each window has a core of its own.
    os.environ["OMP_NUM_THREADS"] = "1"
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
        runs = [pool.submit(run_window, directory, recipe, names, number, seeds) for number in range(NUM_WINDOWS)]
        found = [run.result() for run in runs]
    scores = {name: [MethodScores.averaged(one["scores"][name]) for one in found] for name in names}
    return {
        "benchmark": "ranker_ablation",
        "rerun": "AISLE_DATA=/path/to/data python -m benchmarks.ranker_ablation --seeds " + ",".join(map(str, seeds)),
        "recipe": recipes.dump(recipe),
        "hardware": describe_hardware(),
        "seconds": {
            "prepare": round(prepared - started, 1),
            "variants": round(time.perf_counter() - prepared, 1),
            "by_window": [one["seconds"] for one in found],
        },
        "seeds": seeds,
        "num_epochs": [one["num_epochs"] for one in found],
        "by_seed": [{name: [run.means() for run in runs] for name, runs in one["scores"].items()} for one in found],
        "calibration": [one["calibration"] for one in found],
        "report": report_windows(windows, scores | {BY_BLEND: by_blend}, {}),
    }


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", dest="overrides", action="append", default=[], help="override one value of the recipe")
    parser.add_argument("--seeds", type=lambda text: [int(part) for part in text.split(",")], default=[0, 1, 2])
    parser.add_argument("--only", default="", help="only variants whose names hold this, as in 'without generator'")
    parser.add_argument("--jobs", type=int, default=2, help="processes, one window each")
    parser.add_argument("--keep", type=Path, help="a directory that keeps what is made, to go on from")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the file is written")
    arguments = parser.parse_args()
    kept = nullcontext(arguments.keep) if arguments.keep else tempfile.TemporaryDirectory(prefix="aisle-ablation-")
    with kept as folder:
        result = measure_ablation(
            Path(folder), arguments.overrides, arguments.seeds, jobs=arguments.jobs, only=arguments.only
        )
    write(arguments.results, "ranker_ablation", result)


if __name__ == "__main__":
    main()
