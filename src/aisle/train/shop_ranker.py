"""The rankers of a shop: each learns from snapshots whose horizons end before it; the one before calibrates it.

For a pipeline fitted until some time, examples come from snapshots a horizon before it, and further back in even
steps. The rankers are trained from the earliest time on. The first one, of the time before the first test window, stops
early on the window that follows it; the others train as many epochs as it found best. Each is calibrated by the one
before it, on the window between the two.
"""

from __future__ import annotations

import logging

from aisle.data.snapshots import ShopLog, Snapshot
from aisle.errors import DataError
from aisle.features.candidates import CandidateFeaturizer
from aisle.features.item_tables import ItemColumns, ShopEvents
from aisle.progress import Progress, silent
from aisle.recipe import ShopRecipe
from aisle.recipe.ranker import RankerSpec
from aisle.schema import DAY_MS
from aisle.train.ranker import ExamplesOf, FittedSnapshot, RankFit, calibrated, fit_rank_stage
from aisle.train.ranker_examples import RankerExamples, collect_examples
from aisle.train.shop import Fitters, ShopFit, bare_pipeline, signals_of, window_of
from aisle.train.work_directory import WorkDirectory

logger = logging.getLogger(__name__)


def add_rankers(
    recipe: ShopRecipe,
    log: ShopLog,
    fit: ShopFit,
    fitters: Fitters,
    work: WorkDirectory,
    *,
    progress: Progress = silent,
) -> ShopFit:
    """Fit the ranker of each pipeline of a fit.

    Raises:
        DataError: the history is too short for examples, or what was learnt is no better than chance later.
    """
    training = _RankerTraining(recipe, log, fitters, work, progress)
    horizon_ms = recipe.windows.horizon_days * DAY_MS
    times = [log.end_ms, *(window.snapshot.until_ms for window, _ in fit.tests)]
    earlier = training.train(times[-1] - horizon_ms, None)
    stages = []
    for until_ms in reversed(times):
        ranked = training.train(until_ms, earlier.num_epochs)
        stages.append(calibrated(ranked.stage, earlier, training.lists(until_ms - horizon_ms)))
        earlier = RankFit(ranked.base, ranked.stage, earlier.num_epochs)
    serving, *tested = reversed(stages)
    pairs = zip(fit.tests, tested, strict=True)
    return ShopFit(
        [(window, pipeline.with_rank_stage(stage)) for (window, pipeline), stage in pairs],
        fit.serving.with_rank_stage(serving),
    )


def example_times(recipe: ShopRecipe, log: ShopLog, until_ms: int) -> list[int]:
    """The snapshots from which a ranker of some time learns, the latest first.

    Raises:
        DataError: there is no time for one.
    """
    spec = _spec(recipe).examples
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


class _RankerTraining:
    """Snapshots, examples and rankers of one shop, each made once."""

    def __init__(
        self, recipe: ShopRecipe, log: ShopLog, fitters: Fitters, work: WorkDirectory, progress: Progress
    ) -> None:
        self._recipe, self._log, self._fitters, self._work = recipe, log, fitters, work
        self._spec = _spec(recipe)
        self._progress = progress
        self._snapshots: dict[int, FittedSnapshot] = {}

    def train(self, until_ms: int, num_epochs: int | None) -> RankFit:
        """The ranker of one time; without a number of epochs it stops early on the window that follows."""
        times = example_times(self._recipe, self._log, until_ms)
        examples = [self._examples("examples", time_ms, self._spec.examples.negatives) for time_ms in times]
        assert self._fitters.build_ranker is not None, "a recipe with a ranker comes with what builds it"
        return fit_rank_stage(
            self._spec,
            self._fitted(until_ms),
            examples,
            self._fitters.build_ranker,
            later=self.lists(until_ms) if num_epochs is None else None,
            num_epochs=num_epochs,
            seed=self._recipe.seed,
            checkpoints=self._work.checkpoints(until_ms),
            resume=True,
            progress=self._progress,
        )

    def lists(self, until_ms: int) -> ExamplesOf:
        """Whole candidate lists of one time."""
        return self._examples("lists", until_ms, None)

    def _examples(self, kind: str, until_ms: int, negatives: int | None) -> ExamplesOf:
        fitted = self._fitted(until_ms)

        def collect() -> RankerExamples:
            spec = self._spec
            return collect_examples(
                fitted.pipeline,
                fitted.featurizer,
                window_of(self._recipe, self._log, self._log.before(until_ms)),
                placement=spec.placement,
                repeats=("allow",) if negatives is None else ("allow", "exclude"),
                negatives=negatives,
                max_questions=spec.calibration_questions if negatives is None else spec.examples.max_questions,
                seed=self._recipe.seed,
                progress=self._progress,
            )

        return ExamplesOf(fitted, self._work.examples(kind, until_ms, collect))

    def _fitted(self, until_ms: int) -> FittedSnapshot:
        if until_ms not in self._snapshots:
            self._progress("fit generators", 0, None)
            snapshot = self._log.before(until_ms)
            pipeline = bare_pipeline(self._recipe, snapshot, self._fitters, self._work)
            featurizer = self._work.featurizer(until_ms, lambda: self._fit_featurizer(snapshot))
            self._snapshots[until_ms] = FittedSnapshot(pipeline, featurizer)
        return self._snapshots[until_ms]

    def _fit_featurizer(self, snapshot: Snapshot) -> CandidateFeaturizer:
        signals = signals_of(self._recipe)
        return CandidateFeaturizer.fit(
            ShopEvents.of_snapshot(snapshot, signals.strengths, signals.target),
            ItemColumns.of_snapshot(snapshot),
            until_ms=snapshot.until_ms,
            sources=self._recipe.placements[self._spec.placement].sources,
        )


def _spec(recipe: ShopRecipe) -> RankerSpec:
    assert recipe.ranker is not None, "asked of a recipe with a ranker"
    return recipe.ranker
