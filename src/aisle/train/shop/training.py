"""Train a shop's pipeline: generators per snapshot, blends and rankers on earlier windows, then all again on all data.

Cut-offs go back from the end of the data in steps of the horizon. At each, generators are fitted on what came before.
The pipeline of a test window blends them with weights fitted on the windows before it, and ranks with a model that
learnt from snapshots whose horizons end before it; the pipeline that will serve is fitted on everything, with weights
from the latest windows.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aisle.data.snapshots import ShopLog
from aisle.errors import DataError
from aisle.evaluate.windows import Window, cut_windows
from aisle.pipeline import Pipeline
from aisle.progress import Progress, silent
from aisle.recipe import ShopRecipe
from aisle.schema import DAY_MS, format_timestamp
from aisle.train.shop.pipelines import Fitters, ShopPipelines, window_of
from aisle.train.shop.work_directory import WorkDirectory

if TYPE_CHECKING:
    from aisle.train.shop.side_by_side import Processes

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ShopFit:
    """What training brought.

    Attributes:
        tests: Each test window, the latest first, with the pipeline fitted before it.
        serving: The pipeline fitted on all data.
    """

    tests: Sequence[tuple[Window, Pipeline]]
    serving: Pipeline


def train_shop(
    recipe: ShopRecipe,
    log: ShopLog,
    fitters: Fitters,
    work: WorkDirectory,
    *,
    processes: Processes | None = None,
    progress: Progress = silent,
) -> ShopFit:
    """Fit everything that the recipe says.

    Args:
        recipe: What to fit.
        log: The shop's history.
        fitters: See there.
        work: Keeps finished parts; what is there already is not made again.
        processes: Make parts side by side; missing: this process makes one after the other.
        progress: Told of each step.

    Raises:
        DataError: the history is too short for the recipe's windows, or nobody took anything in one of them.
    """
    horizon, tests, validations = recipe.windows.horizon_days, recipe.windows.test, recipe.windows.validation
    cuts = cut_windows(log, horizon_days=horizon, count=tests + validations)
    _check_length(log, cuts[-1], recipe)
    if recipe.ranker is not None:
        from aisle.train.shop.ranker_snapshots import example_times

        example_times(recipe, log, cuts[tests])  # the earliest ranker's: say now that there is no time for it
    windows = [window_of(recipe, log, log.before(cut)) for cut in cuts]
    for window in windows:
        _check_questions(window, log, recipe)
    if processes is not None:
        from aisle.train.shop.parts import fit_parts, snapshot_parts

        processes.make(snapshot_parts(recipe, log), "make snapshots", progress)
        processes.make(fit_parts(recipe, log), "fit blends", progress)
    pipelines = ShopPipelines(recipe, log, fitters, work, progress)
    fit = ShopFit(
        [(window, pipelines.blended(window.snapshot.until_ms)) for window in windows[:tests]],
        pipelines.blended(log.end_ms),
    )
    if recipe.ranker is None:
        return fit
    from aisle.train.shop.rankers import add_rankers

    return add_rankers(recipe, log, fit, fitters, work, processes=processes, progress=progress)


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
