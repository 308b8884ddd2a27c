"""The fitted snapshots of a shop that its rankers learn from, and the examples of each, by the time of the snapshot.

Each is made once: several rankers that learn from the same times share them.
"""

from __future__ import annotations

import logging

from aisle.data.snapshots import ShopLog, Snapshot
from aisle.errors import DataError
from aisle.evaluate.windows import Window
from aisle.features.candidates import CandidateFeaturizer
from aisle.features.item_tables import ItemColumns, ShopEvents
from aisle.progress import Progress, silent
from aisle.recipe import ShopRecipe
from aisle.recipe.ranker import RankerSpec
from aisle.schema import DAY_MS
from aisle.train.shop.pipelines import Fitters, ShopPipelines, signals_of, window_of
from aisle.train.shop.ranker import ExamplesOf, FittedSnapshot
from aisle.train.shop.ranker_examples import RankerExamples, collect_examples
from aisle.train.shop.work_directory import WorkDirectory

logger = logging.getLogger(__name__)


def ranker_of(recipe: ShopRecipe) -> RankerSpec:
    """The ranker of a recipe that has one."""
    assert recipe.ranker is not None, "asked of a recipe with a ranker"
    return recipe.ranker


def example_times(recipe: ShopRecipe, log: ShopLog, until_ms: int) -> list[int]:
    """The snapshots from which a ranker of some time learns, the latest first.

    Raises:
        DataError: there is no time for one.
    """
    spec = ranker_of(recipe).examples
    horizon_ms = recipe.windows.horizon_days * DAY_MS
    latest_ms = until_ms - horizon_ms
    wanted = [latest_ms - number * spec.every_days * DAY_MS for number in range(spec.snapshots)]
    # A snapshot with less than a horizon of history behind it is unlike those that will be served.
    times = [time_ms for time_ms in wanted if time_ms - log.first_ms >= horizon_ms]
    if not times:
        days = (log.end_ms - log.first_ms) / DAY_MS
        raise DataError(
            f"expected more than {(recipe.windows.test + 3) * recipe.windows.horizon_days} days of events for a "
            f"ranker that is tested, received {days:.0f}; import more, --set windows.horizon_days=N with a shorter "
            "one, or --set ranker=null to rank by the blend"
        )
    if len(times) < len(wanted):
        logger.warning("history for %d of %d snapshots of ranker examples", len(times), len(wanted))
    return times


class RankerSnapshots:
    """Fitted snapshots and their examples, kept in a work directory.

    Args:
        recipe: One with a ranker; its seed draws the examples.
        log: The shop's history.
        fitters: What makes the generators.
        work: Keeps what was made.
        progress: Told of each step.
    """

    def __init__(
        self, recipe: ShopRecipe, log: ShopLog, fitters: Fitters, work: WorkDirectory, progress: Progress = silent
    ) -> None:
        self._recipe, self._log, self._work = recipe, log, work
        self._pipelines = ShopPipelines(recipe, log, fitters, work, progress)
        self._spec = ranker_of(recipe)
        self._progress = progress
        self._snapshots: dict[int, FittedSnapshot] = {}

    def fitted(self, until_ms: int) -> FittedSnapshot:
        """The generators and the featurizer of one time."""
        if until_ms not in self._snapshots:
            pipeline = self._pipelines.bare(until_ms)
            featurizer = self._work.featurizer(until_ms, lambda: self._fit_featurizer(self._log.before(until_ms)))
            self._snapshots[until_ms] = FittedSnapshot(pipeline, featurizer)
        return self._snapshots[until_ms]

    def window(self, until_ms: int) -> Window:
        """What visitors took in the horizon after one time."""
        return window_of(self._recipe, self._log, self._log.before(until_ms))

    def learnt_from(self, until_ms: int) -> list[ExamplesOf]:
        """All examples from which a ranker of one time learns, the latest snapshot's first."""
        return [self.examples(time_ms) for time_ms in example_times(self._recipe, self._log, until_ms)]

    def examples(self, until_ms: int) -> ExamplesOf:
        """Examples of one time, under both repeat policies, with as many negatives as the recipe says."""
        fitted = self.fitted(until_ms)

        def collect() -> RankerExamples:
            spec = self._spec.examples
            return collect_examples(
                fitted.pipeline,
                fitted.featurizer,
                self.window(until_ms),
                placement=self._spec.placement,
                repeats=("allow", "exclude"),
                negatives=spec.negatives,
                max_questions=spec.max_questions,
                seed=self._recipe.seed,
                progress=self._progress,
            )

        return ExamplesOf(fitted, self._work.examples("examples", until_ms, collect))

    def lists(self, until_ms: int) -> ExamplesOf:
        """Whole candidate lists of one time, for calibration and early stopping."""
        fitted = self.fitted(until_ms)

        def collect() -> RankerExamples:
            return collect_examples(
                fitted.pipeline,
                fitted.featurizer,
                self.window(until_ms),
                placement=self._spec.placement,
                repeats=("allow",),
                negatives=None,
                max_questions=self._spec.calibration_questions,
                seed=self._recipe.seed,
                progress=self._progress,
            )

        return ExamplesOf(fitted, self._work.examples("lists", until_ms, collect))

    def _fit_featurizer(self, snapshot: Snapshot) -> CandidateFeaturizer:
        signals = signals_of(self._recipe)
        return CandidateFeaturizer.fit(
            ShopEvents.of_snapshot(snapshot, signals.strengths, signals.target),
            ItemColumns.of_snapshot(snapshot),
            until_ms=snapshot.until_ms,
            sources=self._recipe.placements[self._spec.placement].sources,
        )
