"""Train a shop's pipeline: generators per snapshot, blends and rankers on earlier windows, then all again on all data.

Cut-offs go back from the end of the data in steps of the horizon. At each, generators are fitted on what came before.
The pipeline of a test window blends them with weights fitted on the windows before it, and ranks with a model that
learnt from snapshots whose horizons end before it; the pipeline that will serve is fitted on everything, with weights
from the latest windows.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aisle.data.snapshots import ShopLog, Snapshot
from aisle.errors import DataError
from aisle.evaluate.windows import VARIANT_OF, Window, build_window, cut_windows
from aisle.pipeline import Blend, LatestRule, Pipeline, Placement, RepeatPolicy
from aisle.pipeline.generators import Generator
from aisle.progress import Progress, silent
from aisle.recipe import ShopRecipe
from aisle.recipe.shop import PlacementSpec
from aisle.retrieval import Signals
from aisle.schema import DAY_MS, format_timestamp
from aisle.train.blend import fit_blend
from aisle.train.examples import Examples, build_examples
from aisle.train.work_directory import WorkDirectory

if TYPE_CHECKING:
    from aisle.train.ranker import BuildRanker
    from aisle.train.warm_start import WarmStart

logger = logging.getLogger(__name__)

FitGenerators = Callable[[Snapshot], Mapping[str, Generator]]


@dataclass(frozen=True)
class Fitters:
    """What a recipe's parts are made by.

    Attributes:
        fit_generators: Fits the recipe's generators on a snapshot.
        build_ranker: Makes the recipe's untrained ranker; missing where it has none.
        warm_start: The earlier ranker that it may start from.
    """

    fit_generators: FitGenerators
    build_ranker: BuildRanker | None = None
    warm_start: WarmStart | None = None


@dataclass(frozen=True)
class ShopFit:
    """What training brought.

    Attributes:
        tests: Each test window, the latest first, with the pipeline fitted before it.
        serving: The pipeline fitted on all data.
    """

    tests: Sequence[tuple[Window, Pipeline]]
    serving: Pipeline


def signals_of(recipe: ShopRecipe) -> Signals:
    """The recipe's event strengths."""
    return Signals(recipe.signals, recipe.target)


def train_shop(
    recipe: ShopRecipe, log: ShopLog, fitters: Fitters, work: WorkDirectory, *, progress: Progress = silent
) -> ShopFit:
    """Fit everything that the recipe says.

    Args:
        recipe: What to fit.
        log: The shop's history.
        fitters: See there.
        work: Keeps finished parts; what is there already is not made again.
        progress: Told of each step.

    Raises:
        DataError: the history is too short for the recipe's windows, or nobody took anything in one of them.
    """
    horizon, tests, validations = recipe.windows.horizon_days, recipe.windows.test, recipe.windows.validation
    cuts = cut_windows(log, horizon_days=horizon, count=tests + validations)
    _check_length(log, cuts[-1], recipe)
    if recipe.ranker is not None:
        from aisle.train.ranker_snapshots import example_times

        example_times(recipe, log, cuts[tests])  # the earliest ranker's: say now that there is no time for it
    steps = _Steps(progress, total=2 * (len(cuts) + 1))
    fitted = []
    for cut in cuts:
        steps.next("fit generators")
        snapshot = log.before(cut)
        window = window_of(recipe, log, snapshot)
        _check_questions(window, log, recipe)
        bare = bare_pipeline(recipe, snapshot, fitters, work)
        steps.next("collect candidates")
        fitted.append(_Fitted(window, bare, _examples(recipe, bare, window, log)))
    results = [
        (
            fitted[number].window,
            _blended(recipe, fitted[number].pipeline, fitted[number + 1 : number + 1 + validations]),
        )
        for number in range(tests)
    ]
    steps.next("fit generators on all data")
    bare = bare_pipeline(recipe, log.before(log.end_ms), fitters, work)
    steps.next("fit blends")
    fit = ShopFit(results, _blended(recipe, bare, fitted[:validations]))
    if recipe.ranker is None:
        return fit
    from aisle.train.shop_ranker import add_rankers

    return add_rankers(recipe, log, fit, fitters, work, progress=progress)


def window_of(recipe: ShopRecipe, log: ShopLog, snapshot: Snapshot) -> Window:
    """What the visitors known to a snapshot took in the recipe's horizon after it."""
    return build_window(
        log,
        snapshot,
        horizon_days=recipe.windows.horizon_days,
        signals=signals_of(recipe),
        history_limit=recipe.history_limit,
    )


@dataclass(frozen=True)
class _Fitted:
    window: Window
    pipeline: Pipeline
    examples: Mapping[tuple[str, RepeatPolicy], Examples]


class _Steps:
    """Counts steps for the progress report."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0

    def next(self, stage: str) -> None:
        self._progress(stage, self._done, self._total)
        self._done += 1


def _check_length(log: ShopLog, first_cut: int, recipe: ShopRecipe) -> None:
    horizon, tests, validations = recipe.windows.horizon_days, recipe.windows.test, recipe.windows.validation
    if first_cut - log.first_ms >= horizon * DAY_MS:
        return
    parts = tests + validations + 1
    days = (log.end_ms - log.first_ms) / DAY_MS
    remedy = "import more"
    if days >= parts:
        remedy += f", or --set windows.horizon_days={int(days // parts)}"
    raise DataError(
        f"expected at least {parts * horizon} days of events ({tests} test and {validations} validation windows of "
        f"{horizon} days, and as much before them), received {days:.0f}; {remedy}"
    )


def _check_questions(window: Window, log: ShopLog, recipe: ShopRecipe) -> None:
    """Nothing can be fitted or tested where nobody took anything; where nobody is known, baskets are all there is."""
    start = f"the {window.horizon_days} days from {format_timestamp(window.snapshot.until_ms)}"
    until_ms = window.snapshot.until_ms + window.horizon_days * DAY_MS
    if log.during(window.snapshot, until_ms, recipe.target).is_empty():
        raise DataError(
            f"expected a {recipe.target!r} of a known item in {start}, received none, so there is nothing to fit "
            "weights on or to test; name the event that the shop wants (--set target=view), import what is missing, or "
            "--set windows.horizon_days=N"
        )
    if not window.questions:
        logger.warning("nobody who is known took anything in %s: sources of visitors weigh the same, untested", start)


def bare_pipeline(recipe: ShopRecipe, snapshot: Snapshot, fitters: Fitters, work: WorkDirectory) -> Pipeline:
    """The pipeline of a snapshot before its blends are fitted."""
    return work.pipeline(snapshot.until_ms, lambda: _fit_pipeline(recipe, snapshot, fitters.fit_generators(snapshot)))


def _fit_pipeline(recipe: ShopRecipe, snapshot: Snapshot, generators: Mapping[str, Generator]) -> Pipeline:
    """Sources that the data could not fill are left out."""
    placements = {}
    for name, spec in recipe.placements.items():
        sources = tuple(source for source in spec.sources if source in generators)
        if missing := [source for source in spec.sources if source not in generators]:
            logger.warning("%s: the data gives nothing for %s, left out", name, ", ".join(missing))
        if sources:
            latest = spec.latest if spec.latest is not None and spec.latest.source in generators else None
            rule = None if latest is None else LatestRule(**latest.model_dump())
            placements[name] = Placement(name, spec.asks_with, sources, {}, spec.fill, rule)
    return Pipeline(
        item_ids=snapshot.item_ids,
        generators=generators,
        placements=placements,
        signals=recipe.signals,
        target=recipe.target,
        candidates_per_source=recipe.candidates_per_source,
        history_limit=recipe.history_limit,
        fitted_until_ms=snapshot.until_ms,
    )


def _repeat_policies(spec: PlacementSpec) -> tuple[RepeatPolicy, ...]:
    """Policies whose weights differ: repeats matter only where the placement looks at what visitors take next."""
    return tuple(VARIANT_OF) if spec.fit == "next-window" else ("allow",)


def _examples(
    recipe: ShopRecipe, pipeline: Pipeline, window: Window, log: ShopLog
) -> dict[tuple[str, RepeatPolicy], Examples]:
    return {
        (name, repeat): build_examples(pipeline, placement, recipe.placements[name], repeat, window, log)
        for name, placement in pipeline.placements.items()
        if len(placement.sources) > 1
        for repeat in _repeat_policies(recipe.placements[name])
    }


def _blended(recipe: ShopRecipe, bare: Pipeline, validation: Sequence[_Fitted]) -> Pipeline:
    """The pipeline with weights fitted on validation windows."""
    placements = {}
    for name, placement in bare.placements.items():
        blends: dict[RepeatPolicy, Blend] = {}
        for repeat in _repeat_policies(recipe.placements[name]):
            if len(placement.sources) == 1:
                blends[repeat] = Blend({placement.sources[0]: 1.0})
                continue
            parts = [
                fitted.examples[name, repeat]
                for fitted in validation
                if fitted.pipeline.placements[name].sources == placement.sources
            ]
            blends[repeat] = fit_blend(placement.sources, parts, seed=recipe.seed)
        both: dict[RepeatPolicy, Blend] = {"allow": blends["allow"], "exclude": blends.get("exclude", blends["allow"])}
        placements[name] = replace(placement, blends=both)
    return bare.with_placements(placements)
