"""The parts of a training that can be made apart from the others, and what each is made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from aisle.data.snapshots import ShopLog
from aisle.evaluate.windows import cut_windows
from aisle.recipe import ShopRecipe
from aisle.schema import DAY_MS
from aisle.train.shop.pipelines import Fitters, ShopPipelines
from aisle.train.shop.work_directory import WorkDirectory

if TYPE_CHECKING:  # a recipe without a ranker needs no PyTorch
    from aisle.train.shop.ranker_snapshots import RankerSnapshots


@dataclass(frozen=True)
class Bench:
    """All that a part is made from, and where it is put."""

    recipe: ShopRecipe
    log: ShopLog
    fitters: Fitters
    work: WorkDirectory

    @cached_property
    def pipelines(self) -> ShopPipelines:
        """Of each time."""
        return ShopPipelines(self.recipe, self.log, self.fitters, self.work)

    @cached_property
    def snapshots(self) -> RankerSnapshots:
        """Of a recipe with a ranker."""
        from aisle.train.shop.ranker_snapshots import RankerSnapshots

        return RankerSnapshots(self.recipe, self.log, self.fitters, self.work)


class Part(Protocol):
    """Something that can be made apart; sent to a process, so it holds plain values only."""

    def make(self, bench: Bench) -> None:
        """Put it into the bench's work directory."""
        ...


@dataclass(frozen=True)
class SnapshotPart:
    """What is fitted and collected at one time.

    Attributes:
        until_ms: When.
        is_ranked: With the features of candidates.
        has_examples: With a ranker's examples.
        has_lists: With whole candidate lists.
    """

    until_ms: int
    is_ranked: bool = False
    has_examples: bool = False
    has_lists: bool = False

    def make(self, bench: Bench) -> None:
        """Fit and collect."""
        if not self.is_ranked:
            bench.pipelines.bare(self.until_ms)
            return
        bench.snapshots.fitted(self.until_ms)
        if self.has_examples:
            bench.snapshots.examples(self.until_ms)
        if self.has_lists:
            bench.snapshots.lists(self.until_ms)


@dataclass(frozen=True)
class BlendsPart:
    """The blends of one time."""

    until_ms: int

    def make(self, bench: Bench) -> None:
        """Fit."""
        bench.pipelines.blended(self.until_ms)


@dataclass(frozen=True)
class StagePart:
    """The ranker of one time, trained for some epochs; without their number it stops early on the window after."""

    until_ms: int
    num_epochs: int | None = None

    def make(self, bench: Bench) -> None:
        """Train and export."""
        from aisle.train.shop.rankers import RankerTraining

        training = RankerTraining(bench.recipe, bench.snapshots, bench.fitters, bench.work)
        training.train(self.until_ms, self.num_epochs)


def snapshot_parts(recipe: ShopRecipe, log: ShopLog) -> list[Part]:
    """All snapshots of a training, the latest (which take longest) first."""
    served_ms, tested, validated = _times(recipe, log)
    times = {served_ms, *tested, *validated}
    if recipe.ranker is None:
        return [SnapshotPart(until_ms) for until_ms in sorted(times, reverse=True)]
    from aisle.train.shop.ranker_snapshots import example_times

    listed = {*tested, _earliest_ranker(recipe, tested)}
    ranked = {served_ms, *listed}
    learnt_from = {time_ms for until_ms in ranked for time_ms in example_times(recipe, log, until_ms)}
    return [
        SnapshotPart(until_ms, until_ms in ranked | learnt_from, until_ms in learnt_from, until_ms in listed)
        for until_ms in sorted(times | ranked | learnt_from, reverse=True)
    ]


def fit_parts(recipe: ShopRecipe, log: ShopLog) -> list[Part]:
    """All that is fitted on snapshots and on nothing else that is fitted on them."""
    served_ms, tested, _ = _times(recipe, log)
    blends: list[Part] = [BlendsPart(until_ms) for until_ms in (served_ms, *tested)]
    return blends if recipe.ranker is None else [StagePart(_earliest_ranker(recipe, tested)), *blends]


def _times(recipe: ShopRecipe, log: ShopLog) -> tuple[int, Sequence[int], Sequence[int]]:
    """Of what serves, of the test windows (the latest first), and of the windows that blends are fitted on."""
    windows = recipe.windows
    cuts = cut_windows(log, horizon_days=windows.horizon_days, count=windows.test + windows.validation)
    return log.end_ms, cuts[: windows.test], cuts[windows.test :]


def _earliest_ranker(recipe: ShopRecipe, tested: Sequence[int]) -> int:
    return tested[-1] - recipe.windows.horizon_days * DAY_MS
