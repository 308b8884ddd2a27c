"""The pipeline of one time: generators fitted on what came before it, blends on the windows that end by it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from aisle.data.snapshots import ShopLog, Snapshot
from aisle.evaluate.windows import VARIANT_OF, Window, build_window
from aisle.pipeline import Blend, LatestRule, NewcomerRule, Pipeline, Placement, RepeatPolicy
from aisle.pipeline.generators import Generator
from aisle.progress import Progress, silent
from aisle.recipe import ShopRecipe
from aisle.recipe.shop import PlacementSpec
from aisle.retrieval import Signals
from aisle.schema import DAY_MS
from aisle.train.shop.blend import fit_blend
from aisle.train.shop.blend_examples import Examples, build_examples
from aisle.train.shop.work_directory import FittedBlends, WorkDirectory

if TYPE_CHECKING:
    from aisle.train.shop.ranker import BuildRanker
    from aisle.train.shop.warm_start import WarmStart

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


def signals_of(recipe: ShopRecipe) -> Signals:
    """The recipe's event strengths."""
    return Signals(recipe.signals, recipe.target)


def window_of(recipe: ShopRecipe, log: ShopLog, snapshot: Snapshot) -> Window:
    """What the visitors known to a snapshot took in the recipe's horizon after it."""
    return build_window(
        log,
        snapshot,
        horizon_days=recipe.windows.horizon_days,
        signals=signals_of(recipe),
        history_limit=recipe.history_limit,
    )


#: What a window says of each placement and repeat policy.
_ExamplesOf = Mapping[tuple[str, RepeatPolicy], Examples]


class ShopPipelines:
    """The pipelines of a shop, each part of them made once and kept in a work directory.

    Args:
        recipe: What they are.
        log: The shop's history.
        fitters: What makes the generators.
        work: Keeps what was made.
        progress: Told of each step.
    """

    def __init__(
        self, recipe: ShopRecipe, log: ShopLog, fitters: Fitters, work: WorkDirectory, progress: Progress = silent
    ) -> None:
        self._recipe, self._log, self._fitters, self._work = recipe, log, fitters, work
        self._progress = progress
        self._validation: dict[int, tuple[Pipeline, _ExamplesOf]] = {}

    def bare(self, until_ms: int) -> Pipeline:
        """The pipeline before its blends are fitted."""
        self._progress("fit generators", 0, None)
        return self._work.pipeline(until_ms, lambda: self._fit(self._log.before(until_ms)))

    def blended(self, until_ms: int) -> Pipeline:
        """The pipeline with weights fitted on the windows before its time."""
        bare = self.bare(until_ms)
        blends = self._work.blends(until_ms, partial(self._fit_blends, bare))
        return bare.with_placements(
            {name: replace(placement, blends=blends[name]) for name, placement in bare.placements.items()}
        )

    def _fit(self, snapshot: Snapshot) -> Pipeline:
        return _fit_pipeline(self._recipe, snapshot, self._fitters.fit_generators(snapshot))

    def _fit_blends(self, bare: Pipeline) -> FittedBlends:
        windows = self._recipe.windows
        horizon_ms = windows.horizon_days * DAY_MS
        times = [bare.fitted_until_ms - number * horizon_ms for number in range(1, windows.validation + 1)]
        validation = [self._examples(time_ms) for time_ms in times]
        self._progress("fit blends", 0, None)
        return {name: self._fit_placement(placement, validation) for name, placement in bare.placements.items()}

    def _fit_placement(
        self, placement: Placement, validation: list[tuple[Pipeline, _ExamplesOf]]
    ) -> dict[RepeatPolicy, Blend]:
        blends: dict[RepeatPolicy, Blend] = {}
        for repeat in _repeat_policies(self._recipe.placements[placement.name]):
            if len(placement.sources) == 1:
                blends[repeat] = Blend({placement.sources[0]: 1.0})
                continue
            parts = [
                examples[placement.name, repeat]
                for pipeline, examples in validation
                if pipeline.placements[placement.name].sources == placement.sources
            ]
            blends[repeat] = fit_blend(placement.sources, parts, seed=self._recipe.seed)
        return {"allow": blends["allow"], "exclude": blends.get("exclude", blends["allow"])}

    def _examples(self, until_ms: int) -> tuple[Pipeline, _ExamplesOf]:
        """The pipeline of a time, and what the window after it says of its placements."""
        if until_ms not in self._validation:
            pipeline = self.bare(until_ms)
            self._progress("collect candidates", 0, None)
            window = window_of(self._recipe, self._log, self._log.before(until_ms))
            self._validation[until_ms] = (
                pipeline,
                {
                    (name, repeat): build_examples(
                        pipeline, placement, self._recipe.placements[name], repeat, window, self._log
                    )
                    for name, placement in pipeline.placements.items()
                    if len(placement.sources) > 1
                    for repeat in _repeat_policies(self._recipe.placements[name])
                },
            )
        return self._validation[until_ms]


def _fit_pipeline(recipe: ShopRecipe, snapshot: Snapshot, generators: Mapping[str, Generator]) -> Pipeline:
    """Sources that the data could not fill are left out."""
    placements = {}
    for name, spec in recipe.placements.items():
        sources = tuple(source for source in spec.sources if source in generators)
        if missing := [source for source in spec.sources if source not in generators]:
            logger.warning("%s: the data gives nothing for %s, left out", name, ", ".join(missing))
        if sources:
            latest = None if spec.latest is None else LatestRule(**spec.latest.model_dump())
            newcomer = None if spec.newcomer is None else NewcomerRule(**spec.newcomer.model_dump())
            placements[name] = Placement(
                name,
                spec.asks_with,
                sources,
                {},
                spec.fill,
                latest if latest is not None and latest.source in generators else None,
                newcomer if newcomer is not None and newcomer.source in sources else None,
            )
    is_taken_V = np.zeros(snapshot.num_items, np.bool_)
    is_taken_V[snapshot.of_type(recipe.target)["item"].to_numpy()] = True
    return Pipeline(
        item_ids=snapshot.item_ids,
        generators=generators,
        placements=placements,
        signals=recipe.signals,
        target=recipe.target,
        candidates_per_source=recipe.candidates_per_source,
        history_limit=recipe.history_limit,
        fitted_until_ms=snapshot.until_ms,
        is_taken_V=is_taken_V,
        last_event_ms=None if snapshot.events.is_empty() else int(snapshot.events["time_ms"][-1]),
    )


def _repeat_policies(spec: PlacementSpec) -> tuple[RepeatPolicy, ...]:
    """Policies whose weights differ: repeats matter only where the placement looks at what visitors take next."""
    return tuple(VARIANT_OF) if spec.fit == "next-window" else ("allow",)
