"""Quality on UCI Online Retail: the recipe `shop` with several seeds, and baselines, on three rolling windows.

The public functions all the way: prepare, import, train, evaluate, serve. Generators, features and blends are fitted
once; each seed draws its own ranker examples and trains its own rankers. Beside them, on the same examples and the same
candidates: the blend, LightGBM and logistic regression. Writes `benchmarks/results/online_retail.json` and
`benchmarks/results/serve_online_retail.json`, from which `make docs` fills the README's table.

    AISLE_DATA=/path/to/data python -m benchmarks.online_retail --seeds 0,1,2
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from aisle import recipe as recipes
from aisle.assemble import ranker_builder
from aisle.cli.hardware import describe_hardware
from aisle.cli.progress import show_progress
from aisle.evaluate.baselines import basket_baselines, user_baselines
from aisle.evaluate.basket_completion import evaluate_baskets
from aisle.evaluate.baskets import hide_one_of_each
from aisle.evaluate.candidate_lists import ScoredLists, measure_lists, score_lists
from aisle.evaluate.report import MethodScores, Role
from aisle.evaluate.shop_temporal import BY_BLEND, PLACEMENT, report_windows, score_baselines, score_pipeline
from aisle.evaluate.windows import Window
from aisle.pipeline import Pipeline
from aisle.progress import Progress
from aisle.store.contract import BundleRecord
from aisle.train.shop.pipelines import signals_of
from aisle.train.shop.ranker import RankFit
from aisle.train.shop.ranker_snapshots import RankerSnapshots
from aisle.train.shop.rankers import RankerTraining, calibrated_stages
from aisle.train.shop.run_directory import RunDirectory
from aisle.train.shop.side_by_side import Processes, default_jobs
from aisle.train.shop.training import ShopFit, train_shop
from benchmarks.rankers import BoosterTraining, with_logistic_regression
from benchmarks.shop import Shop, online_retail, open_bench

RESULTS = Path(__file__).parent / "results"
LIGHTGBM, LOGISTIC = "for-you by lightgbm", "for-you by logistic"


@dataclass
class Measured:
    """One method's runs: by seed, the pipelines of the windows, and what they were measured at."""

    role: Role
    pipelines: dict[int, Sequence[Pipeline]]
    scores: dict[int, list[MethodScores]] = field(default_factory=dict)
    lists: dict[int, list[ScoredLists]] = field(default_factory=dict)

    def measure(self, seed: int, number: int, window: Window) -> tuple[MethodScores, ScoredLists | None]:
        """Ask one pipeline its window's questions; one with a ranker also for probabilities."""
        pipeline = self.pipelines[seed][number]
        lists = None if pipeline.rank_stage is None else score_lists(window, pipeline, PLACEMENT)
        return score_pipeline(window, pipeline, self.role), lists

    def add(self, seed: int, scores: MethodScores, lists: ScoredLists | None) -> None:
        """Keep what :meth:`measure` found, window by window."""
        self.scores.setdefault(seed, []).append(scores)
        self.lists.setdefault(seed, [])
        if lists is not None:
            self.lists[seed].append(lists)

    def averaged(self) -> list[MethodScores]:
        """Per window and question, the mean over seeds."""
        return [MethodScores.averaged(runs) for runs in zip(*self.scores.values(), strict=True)]

    def spread(self) -> dict[str, Any]:
        """Every metric of the last window and of the mean of windows: each seed's value, mean and deviation."""
        last = {seed: scores[0].means() for seed, scores in self.scores.items()}
        means = {seed: _mean_of_windows([one.means() for one in scores]) for seed, scores in self.scores.items()}
        return {"seeds": list(self.scores), "last_window": _spread(last), "all_windows": _spread(means)}

    def ranker(self, number: int) -> dict[str, Any]:
        """The probabilities in one window: metrics as means over seeds, one table of calibration of all seeds' rows."""
        runs = [lists[number] for lists in self.lists.values()]
        found = [measure_lists(run) for run in runs]
        metrics = {name: float(np.mean([one["metrics"][name] for one in found])) for name in found[0]["metrics"]}
        table = measure_lists(ScoredLists.joined(runs))["calibration"]
        return {"counts": found[0]["counts"], "metrics": metrics, "calibration": table}


def measure(directory: Path, overrides: list[str], seeds: list[int], baseline_seeds: list[int]) -> dict[str, Any]:
    """Train and evaluate; the report with what it took. The directory then holds a shop with an active bundle."""
    recipe = recipes.load("shop", ["windows.test=3", *overrides, f"seed={seeds[0]}"])
    seconds: dict[str, float] = {}
    with show_progress() as progress, online_retail(directory, recipe, progress) as shop:
        clock = _Clock(seconds)
        with Processes(partial(open_bench, directory, recipe), default_jobs(shop.log.events.height)) as processes:
            fit = train_shop(recipe, shop.log, shop.fitters, shop.work, processes=processes, progress=progress)
        clock.lap("train")
        model_bytes = _activate(shop, fit)
        windows = [window for window, _ in fit.tests]
        methods = {BY_BLEND: _unranked(fit, seeds[0])}
        if recipe.ranker is not None:
            methods = _ranked(shop, fit, seeds, baseline_seeds, clock, progress) | methods
        else:
            methods = {PLACEMENT: replace(methods[BY_BLEND], role="placement")}
        _measure(methods, windows, progress)
        clock.lap("evaluate")
        scores, left_out = score_baselines(windows, user_baselines(signals_of(recipe)), progress=progress)
        scores = {name: one.averaged() for name, one in methods.items()} | scores
        report = report_windows(windows, scores, left_out)
        report["more"] = [_baskets(shop, fit, progress)]
        clock.lap("baselines")
    rankers = {name: one for name, one in methods.items() if any(one.lists.values())}
    return {
        "benchmark": "online_retail",
        "rerun": "AISLE_DATA=/path/to/data python -m benchmarks.online_retail --seeds " + ",".join(map(str, seeds)),
        "recipe": recipes.dump(recipe),
        "hardware": describe_hardware(),
        "seconds": seconds,
        "model_bytes": model_bytes,
        "seeds": {name: one.spread() for name, one in methods.items()},
        "rankers": {name: [one.ranker(number) for number in range(len(windows))] for name, one in rankers.items()},
        "report": report,
    }


def _measure(methods: Mapping[str, Measured], windows: Sequence[Window], progress: Progress) -> None:
    """Measure every pipeline, one process per core; they inherit the pipelines, and give back numbers."""
    jobs = [
        (name, seed, number)
        for name, one in methods.items()
        for seed in one.pipelines
        for number in range(len(windows))
    ]
    _inherited.update(methods=methods, windows=windows)
    with ProcessPoolExecutor(mp_context=multiprocessing.get_context("fork")) as pool:
        for done, ((name, seed, _), found) in enumerate(zip(jobs, pool.map(_measure_one, jobs), strict=True)):
            progress("evaluate", done, len(jobs))
            methods[name].add(seed, *found)


def _measure_one(job: tuple[str, int, int]) -> tuple[MethodScores, ScoredLists | None]:
    name, seed, number = job
    found: tuple[MethodScores, ScoredLists | None] = _inherited["methods"][name].measure(
        seed, number, _inherited["windows"][number]
    )
    return found


#: What the processes that measure read of the one that forked them.
_inherited: dict[str, Any] = {}


def _unranked(fit: ShopFit, seed: int) -> Measured:
    return Measured("stage", {seed: [pipeline.with_rank_stage(None) for _, pipeline in fit.tests]})


def _ranked(
    shop: Shop, fit: ShopFit, seeds: Sequence[int], baseline_seeds: Sequence[int], clock: _Clock, progress: Progress
) -> dict[str, Measured]:
    """The placement under every seed, and the baseline rankers."""
    methods = {
        PLACEMENT: Measured("placement", {seeds[0]: [pipeline for _, pipeline in fit.tests]}),
        LIGHTGBM: Measured("baseline", {}),
        LOGISTIC: Measured("baseline", {}),
    }
    for seed in seeds:
        recipe = shop.recipe.model_copy(update={"seed": seed})
        work = shop.work if seed == seeds[0] else shop.work.for_seed(seed)
        snapshots = RankerSnapshots(recipe, shop.log, shop.fitters, work, progress)
        trainings: dict[str, Train] = {}
        if seed != seeds[0]:
            trainings[PLACEMENT] = RankerTraining(recipe, snapshots, shop.fitters, work, progress).train
        if seed in baseline_seeds:
            trainings[LIGHTGBM] = BoosterTraining(recipe, snapshots).train
            logistic = with_logistic_regression(recipe)
            assert logistic.ranker is not None, "it was just given one"
            fitters = replace(shop.fitters, build_ranker=ranker_builder(logistic, logistic.ranker))
            apart = replace(work, path=work.path / "logistic")
            trainings[LOGISTIC] = RankerTraining(logistic, snapshots, fitters, apart, progress).train
        for name, train in trainings.items():
            progress(f"train {name}, seed {seed}", 0, None)
            times = [window.snapshot.until_ms for window, _ in fit.tests]
            stages = calibrated_stages(snapshots, train, times, shop.recipe.windows.horizon_days)
            methods[name].pipelines[seed] = [
                pipeline.with_rank_stage(stage) for (_, pipeline), stage in zip(fit.tests, stages, strict=True)
            ]
            clock.lap(f"{name}, seed {seed}")
    return {name: one for name, one in methods.items() if one.pipelines}


Train = Callable[[int, int | None], RankFit]


def _baskets(shop: Shop, fit: ShopFit, progress: Progress) -> dict[str, Any]:
    window, pipeline = fit.tests[0]
    baskets = hide_one_of_each(shop.log, window, shop.recipe.target)
    return evaluate_baskets(window, pipeline, baskets, basket_baselines(signals_of(shop.recipe)), progress=progress)


def _activate(shop: Shop, fit: ShopFit) -> int:
    """Make the bundle of the first seed the active one, for the latency of a server; its size."""
    path = shop.workspace.runs / "benchmark"
    version = "benchmark"
    path.mkdir(parents=True, exist_ok=True)
    bundle = RunDirectory(path).write_fit(shop.recipe, fit, version=version, num_events=shop.log.events.height)
    if all(record.version != version for record in shop.store.bundles()):
        record = BundleRecord(
            version=version,
            path=str(bundle.directory.relative_to(shop.workspace.directory.resolve())),
            manifest_sha256=bundle.manifest_sha256,
            created_ms=shop.store.now_ms(),
            is_active=False,
            metrics={},
        )
        shop.store.register_bundle(record)
    shop.store.activate_bundle(version)
    return bundle.num_bytes


class _Clock:
    """Seconds of each part, in the order in which they were done."""

    def __init__(self, seconds: dict[str, float]) -> None:
        self._seconds, self._last = seconds, time.perf_counter()

    def lap(self, part: str) -> None:
        now = time.perf_counter()
        self._seconds[part] = round(now - self._last, 1)
        self._last = now


def _mean_of_windows(parts: Sequence[Mapping[str, float]]) -> dict[str, float]:
    names = dict.fromkeys(name for part in parts for name in part)
    return {name: float(np.mean([part[name] for part in parts if name in part])) for name in names}


def _spread(by_seed: Mapping[int, Mapping[str, float]]) -> dict[str, Any]:
    """The sample standard deviation over seeds; ``None`` of one seed."""
    spread = {}
    for name in next(iter(by_seed.values())):
        values = [metrics[name] for metrics in by_seed.values()]
        deviation = float(np.std(values, ddof=1)) if len(values) > 1 else None
        spread[name] = {"mean": float(np.mean(values)), "deviation": deviation, "values": values}
    return spread


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", dest="overrides", action="append", default=[], help="override one value of the recipe")
    parser.add_argument("--seeds", type=_numbers, default=[0], help="of the rankers, as in 0,1,2")
    parser.add_argument(
        "--baseline-seeds", type=_numbers, default=None, help="of LightGBM and logistic regression (default: the first)"
    )
    parser.add_argument("--keep", type=Path, help="a directory that keeps what is made, to go on from")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the files are written")
    arguments = parser.parse_args()
    baseline_seeds = arguments.seeds[:1] if arguments.baseline_seeds is None else arguments.baseline_seeds
    if unknown := set(baseline_seeds) - set(arguments.seeds):
        parser.error(f"--baseline-seeds: expected some of --seeds {arguments.seeds}, received {sorted(unknown)}")
    kept = nullcontext(arguments.keep) if arguments.keep else tempfile.TemporaryDirectory(prefix="aisle-bench-")
    with kept as folder:
        directory = Path(folder)
        write(
            arguments.results, "online_retail", measure(directory, arguments.overrides, arguments.seeds, baseline_seeds)
        )
        shop = ["-C", str(directory / "shop")]
        bench = [sys.executable, "-m", "aisle", *shop, "bench", "serve", "--requests", "3000", "--json"]
        latency = json.loads(subprocess.run(bench, check=True, capture_output=True).stdout)
        write(arguments.results, "serve_online_retail", latency)


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def write(results: Path, name: str, result: dict[str, Any]) -> None:
    """One result as a file."""
    path = results / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    print(path)


if __name__ == "__main__":
    main()
