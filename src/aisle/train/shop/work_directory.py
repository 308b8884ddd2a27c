"""What a training has finished so far, kept on the disk, so that one that was killed goes on where it was.

Each part appears whole or not at all; what is there is not made again. A part depends on the recipe, the data and what
was made before it alone, so a training that was killed ends as one that was not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self, TypeVar

from aisle.bundle import Bundle, BundleWriter
from aisle.features.candidates import CandidateFeaturizer
from aisle.pipeline import Blend, Pipeline, RepeatPolicy
from aisle.pipeline.rank_stage import RankStage
from aisle.schema import format_timestamp
from aisle.train.shop.ranker_examples import RankerExamples

if TYPE_CHECKING:
    from aisle.train.engine.checkpoints import Checkpoints

#: A ranker's training leaves its state this often.
CHECKPOINT_SECONDS = 60.0
_EPOCHS_FILE = "epochs"
_BLENDS_FILE = "blends"


class _Saves(Protocol):
    def save(self, writer: BundleWriter) -> None: ...


Part = TypeVar("Part", bound=_Saves)


#: Fitted weights by placement and repeat policy.
FittedBlends = Mapping[str, Mapping[RepeatPolicy, Blend]]


@dataclass(frozen=True)
class _Blends:
    by_placement: FittedBlends

    def save(self, writer: BundleWriter) -> None:
        writer.write_json(
            _BLENDS_FILE,
            {
                name: {repeat: blend.weights for repeat, blend in blends.items()}
                for name, blends in self.by_placement.items()
            },
        )

    @classmethod
    def load(cls, bundle: Bundle) -> Self:
        document = bundle.read_json(_BLENDS_FILE)
        return cls(
            {name: {repeat: Blend(weights) for repeat, weights in blends.items()} for name, blends in document.items()}
        )


@dataclass(frozen=True)
class TrainedStage:
    """A rank stage before calibration, and after how many epochs it did best."""

    stage: RankStage
    num_epochs: int

    def save(self, writer: BundleWriter) -> None:
        """Write everything that :meth:`load` reads."""
        self.stage.save(writer)
        writer.write_json(_EPOCHS_FILE, {"num_epochs": self.num_epochs})

    @classmethod
    def load(cls, bundle: Bundle) -> Self:
        """Read what was saved."""
        return cls(RankStage.load(bundle), bundle.read_json(_EPOCHS_FILE)["num_epochs"])


@dataclass(frozen=True)
class WorkDirectory:
    """The finished parts of one training, by the time that they were fitted at."""

    path: Path
    #: Where pipelines and featurizers lie, if apart.
    fits: WorkDirectory | None = None

    def for_seed(self, seed: int) -> WorkDirectory:
        """A directory for what another seed draws and trains; the fits of snapshots depend on none, and are shared."""
        return WorkDirectory(self.path / f"seed-{seed}", fits=self)

    def pipeline(self, until_ms: int, fit: Callable[[], Pipeline]) -> Pipeline:
        """The pipeline with its generators, before any blend."""
        return (self.fits or self)._bundled("pipeline", until_ms, fit, Pipeline.load)

    def blends(self, until_ms: int, fit: Callable[[], FittedBlends]) -> FittedBlends:
        """The weights of a pipeline's placements."""
        return self._bundled("blends", until_ms, lambda: _Blends(fit()), _Blends.load).by_placement

    def featurizer(self, until_ms: int, fit: Callable[[], CandidateFeaturizer]) -> CandidateFeaturizer:
        """The featurizer of candidates."""
        return (self.fits or self)._bundled("features", until_ms, fit, CandidateFeaturizer.load)

    def examples(self, kind: str, until_ms: int, collect: Callable[[], RankerExamples]) -> RankerExamples:
        """A ranker's examples, mapped from the disk."""
        place = self._place(kind, until_ms)
        if not place.exists():
            collect().save(place)
        return RankerExamples.load(place)

    def checkpoints(self, until_ms: int, member: int) -> Checkpoints:
        """Where the training of one of the models of the ranker of that time leaves its state."""
        from aisle.train.engine.checkpoints import Checkpoints

        return Checkpoints(self._place(f"ranker-{member}", until_ms), every_seconds=CHECKPOINT_SECONDS)

    def trained(self, until_ms: int, fit: Callable[[], TrainedStage]) -> TrainedStage:
        """The ranker of that time, trained and exported."""
        return self._bundled("stage", until_ms, fit, TrainedStage.load)

    def _place(self, kind: str, until_ms: int) -> Path:
        return self.path / format_timestamp(until_ms)[:10] / kind

    def _bundled(self, kind: str, until_ms: int, fit: Callable[[], Part], load: Callable[[Bundle], Part]) -> Part:
        place = self._place(kind, until_ms)
        if place.exists():
            return load(Bundle.open(place, verify=False))
        part = fit()
        with BundleWriter(place, name=kind, cut_offs={"fitted_until": until_ms}) as writer:
            part.save(writer)
        return part
