"""The rankers of a shop: each learns from snapshots whose horizons end before it; the one before calibrates it.

For a pipeline fitted until some time, examples come from snapshots a horizon before it, and further back in even
steps. The rankers are trained from the earliest time on. The first one, of the time before the first test window, stops
early on the window that follows it; the others train as many epochs as it found best. Each is calibrated by the one
before it, on the window between the two.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from aisle.data.snapshots import ShopLog
from aisle.pipeline.rank_stage import RankStage
from aisle.progress import Progress, silent
from aisle.recipe import ShopRecipe
from aisle.schema import DAY_MS
from aisle.train.shop.pipelines import Fitters
from aisle.train.shop.ranker import FittedSnapshot, RankFit, calibrated, fit_rank_stage
from aisle.train.shop.ranker_snapshots import RankerSnapshots, ranker_of
from aisle.train.shop.training import ShopFit
from aisle.train.shop.work_directory import TrainedStage, WorkDirectory

if TYPE_CHECKING:
    from aisle.train.shop.side_by_side import Processes


def add_rankers(
    recipe: ShopRecipe,
    log: ShopLog,
    fit: ShopFit,
    fitters: Fitters,
    work: WorkDirectory,
    *,
    processes: Processes | None = None,
    progress: Progress = silent,
) -> ShopFit:
    """Fit the ranker of each pipeline of a fit, side by side where there are processes for it.

    Raises:
        DataError: the history is too short for examples, or what was learnt is no better than chance later.
    """
    snapshots = RankerSnapshots(recipe, log, fitters, work, progress)
    training = RankerTraining(recipe, snapshots, fitters, work, progress)
    times = [log.end_ms, *(window.snapshot.until_ms for window, _ in fit.tests)]

    def make_ahead(num_epochs: int) -> None:
        if processes is not None:
            from aisle.train.shop.parts import StagePart

            processes.make([StagePart(until_ms, num_epochs) for until_ms in times], "train the rankers", progress)

    serving, *tested = calibrated_stages(
        snapshots, training.train, times, recipe.windows.horizon_days, make_ahead=make_ahead
    )
    pairs = zip(fit.tests, tested, strict=True)
    return ShopFit(
        [(window, pipeline.with_rank_stage(stage)) for (window, pipeline), stage in pairs],
        fit.serving.with_rank_stage(serving),
    )


#: Trains the ranker of a time; without a number of epochs it stops early on the window that follows.
Train = Callable[[int, int | None], RankFit]


def calibrated_stages(
    snapshots: RankerSnapshots,
    train: Train,
    times: Sequence[int],
    horizon_days: int,
    *,
    make_ahead: Callable[[int], None] = lambda num_epochs: None,
) -> list[RankStage]:
    """The rank stages of some times, each calibrated by that of a horizon before it.

    Args:
        snapshots: Give the lists to calibrate on.
        train: Trains each, from the earliest time on.
        times: A horizon apart, the latest first.
        horizon_days: The horizon.
        make_ahead: Told the number of epochs once it is known, before the rest is trained.
    """
    horizon_ms = horizon_days * DAY_MS
    earlier = train(times[-1] - horizon_ms, None)
    make_ahead(earlier.num_epochs)
    stages = []
    for until_ms in reversed(times):
        ranked = train(until_ms, earlier.num_epochs)
        stages.append(calibrated(ranked.stage, earlier, snapshots.lists(until_ms - horizon_ms)))
        earlier = RankFit(ranked.base, ranked.stage, earlier.num_epochs)
    return stages[::-1]


class RankerTraining:
    """Trains the recipe's ranker at any time, each once."""

    def __init__(
        self,
        recipe: ShopRecipe,
        snapshots: RankerSnapshots,
        fitters: Fitters,
        work: WorkDirectory,
        progress: Progress = silent,
    ) -> None:
        self._recipe, self._snapshots, self._fitters, self._work = recipe, snapshots, fitters, work
        self._progress = progress

    def train(self, until_ms: int, num_epochs: int | None) -> RankFit:
        """The ranker of one time; without a number of epochs it stops early on the window that follows."""
        base = self._snapshots.fitted(until_ms)
        trained = self._work.trained(until_ms, lambda: self._train(base, until_ms, num_epochs))
        return RankFit(base, trained.stage, trained.num_epochs)

    def _train(self, base: FittedSnapshot, until_ms: int, num_epochs: int | None) -> TrainedStage:
        assert self._fitters.build_ranker is not None, "a recipe with a ranker comes with what builds it"
        earlier = self._fitters.warm_start
        fit = fit_rank_stage(
            ranker_of(self._recipe),
            base,
            self._snapshots.learnt_from(until_ms),
            self._fitters.build_ranker,
            later=self._snapshots.lists(until_ms) if num_epochs is None else None,
            num_epochs=num_epochs,
            seed=self._recipe.seed,
            checkpoints=partial(self._work.checkpoints, until_ms),
            warm_start=earlier if earlier is not None and earlier.may_start(until_ms) else None,
            progress=self._progress,
        )
        return TrainedStage(fit.stage, fit.num_epochs)
