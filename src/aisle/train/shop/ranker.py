"""Fits the rank stage of a pipeline: inputs and model on examples of earlier snapshots, calibrated on a later one.

Legend of shapes: R rows.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aisle.errors import DataError
from aisle.features.candidates import CandidateFeaturizer
from aisle.features.drift import FeatureReference
from aisle.features.ranker_inputs import FIRST_ROW, RankerInputs
from aisle.models import Ranker
from aisle.models.ranking import RankerEnsemble
from aisle.pipeline import Pipeline
from aisle.pipeline.rank_stage import Featurized, RankStage
from aisle.progress import Progress, silent
from aisle.recipe.ranker import RankerSpec
from aisle.train.engine.batches import RankerRows
from aisle.train.engine.checkpoints import Checkpoints
from aisle.train.engine.loop import train_ranker
from aisle.train.engine.loop_settings import LoopSettings
from aisle.train.export import export_ranker
from aisle.train.shop.calibrate import fit_platt
from aisle.train.shop.ranker_examples import RankerExamples
from aisle.train.shop.warm_start import TableNames, WarmStart

logger = logging.getLogger(__name__)

#: Makes an untrained model for some inputs, by the seed.
BuildRanker = Callable[[RankerInputs, int], Ranker]
#: Where the training of each of the recipe's models leaves its state, by its number.
CheckpointsOf = Callable[[int], Checkpoints]


@dataclass(frozen=True)
class FittedSnapshot:
    """What was fitted at one time, in the rows and codes of that time."""

    pipeline: Pipeline
    featurizer: CandidateFeaturizer


@dataclass(frozen=True)
class ExamplesOf:
    """Examples with what gave them."""

    fitted: FittedSnapshot
    rows: RankerExamples

    def in_terms_of(self, base: FittedSnapshot) -> Featurized:
        """The rows in the item rows and codes of a later fit; what that does not know is unknown."""
        row_of = {item_id: row for row, item_id in enumerate(base.pipeline.item_ids) if item_id}
        items_V = np.array([row_of.get(item_id, 1) for item_id in self.fitted.pipeline.item_ids], np.int32)
        mine, theirs = self.fitted.featurizer, base.featurizer
        codes = [
            _codes(mine.categories, theirs.categories)[self.rows.codes_R2[:, 0]],
            _codes(mine.brands, theirs.brands)[self.rows.codes_R2[:, 1]],
        ]
        return Featurized(self.rows.features_RF, items_V[self.rows.items_R], np.stack(codes, axis=1))


def _codes(names: Sequence[str], known: Sequence[str]) -> NDArray[np.int32]:
    code_of = {name: code for code, name in enumerate(known, 1)}
    return np.array([0, *(code_of.get(name, 0) for name in names)], np.int32)


@dataclass(frozen=True)
class RankFit:
    """A trained stage, not yet calibrated, and after how many epochs it did best."""

    base: FittedSnapshot
    stage: RankStage
    num_epochs: int


def fit_rank_stage(
    spec: RankerSpec,
    base: FittedSnapshot,
    examples: Sequence[ExamplesOf],
    build: BuildRanker,
    *,
    later: ExamplesOf | None = None,
    num_epochs: int | None = None,
    seed: int,
    checkpoints: CheckpointsOf | None = None,
    warm_start: WarmStart | None = None,
    progress: Progress = silent,
) -> RankFit:
    """Train a ranker on snapshots that end before the base's time.

    Args:
        spec: How.
        base: What the stage will work beside; its ids are the tables' rows.
        examples: What is learnt from.
        build: Makes the model.
        later: Whole lists of a later time on which training stops early; missing: all epochs are trained.
        num_epochs: Instead of the recipe's, where an earlier fit found them.
        seed: Of first weights and the order of rows.
        checkpoints: Where each of the recipe's models leaves its state, and goes on from.
        warm_start: The earlier ranker that the tables start from.
        progress: Told of steps.
    """
    parts = [one.in_terms_of(base) for one in examples]
    inputs = _fit_inputs(spec, base, parts)
    rows = _ranker_rows(inputs, parts, [one.rows for one in examples])
    held_out = None if later is None else _ranker_rows(inputs, [later.in_terms_of(base)], [later.rows])
    training = spec.training.model_dump(exclude={"warm_start"})
    if num_epochs is not None:
        training["num_epochs"] = num_epochs
    members, fits = [], []
    for number in range(spec.members):
        member_seed = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
        settings = LoopSettings(**training, unknown_features=tuple(inputs.id_sizes), seed=member_seed)
        model = build(inputs, member_seed)
        if warm_start is not None:
            warm_start.start(model, inputs, _table_names(base), member=number, num_members=spec.members)
        logger.info("train the ranker on %d rows of %d snapshots, seed %d", len(rows), len(parts), member_seed)
        where = None if checkpoints is None else checkpoints(number)
        fits.append(train_ranker(model, rows, held_out, settings, checkpoints=where, resume=True, progress=progress))
        members.append(model)
    stage = RankStage(
        featurizer=base.featurizer,
        inputs=inputs,
        ranker=export_ranker(RankerEnsemble(members), dense_names=inputs.dense_names),
        placement=spec.placement,
        model=spec.model.kind,
    )
    return RankFit(base, stage, max(fit.num_epochs for fit in fits))


def calibrated(stage: RankStage, earlier: RankFit, later: ExamplesOf) -> RankStage:
    """A stage under the calibrator that fits an earlier one on a slice that came after all that it had learnt from.

    It also remembers what the features of that slice's lists were like, to notice when those of requests are not.

    Args:
        stage: What is to be calibrated.
        earlier: Of the same recipe.
        later: Whole candidate lists.
    """
    label_R = later.rows.label_R
    if not 0 < label_R.sum() < len(label_R):
        raise DataError(
            "expected candidates that were taken and others to calibrate on, received one kind; import more events"
        )
    calibrator = fit_platt(earlier.stage.score(later.in_terms_of(earlier.base)), label_R)
    if calibrator.slope <= 0:
        raise DataError(
            f"expected a ranker that does better than chance on a later slice, its calibration has the slope "
            f"{calibrator.slope:.3g}; import more events, or --set ranker=null"
        )
    reference = FeatureReference.fit(stage.inputs, later.rows.features_RF, label_R)
    return stage.with_calibrator(calibrator).with_reference(reference)


def _table_names(base: FittedSnapshot) -> TableNames:
    return TableNames(base.pipeline.item_ids[FIRST_ROW:], base.featurizer.categories, base.featurizer.brands)


def _fit_inputs(spec: RankerSpec, base: FittedSnapshot, parts: Sequence[Featurized]) -> RankerInputs:
    featurizer = base.featurizer
    sizes = {
        "item": len(base.pipeline.item_ids),
        "category": len(featurizer.categories) + FIRST_ROW,
        "brand": len(featurizer.brands) + FIRST_ROW,
    }
    id_sizes: dict[str, int] = {name: sizes[name] for name in spec.ids}
    features_RF = np.concatenate([part.features_KF for part in parts])
    return RankerInputs.fit(features_RF, featurizer.names, num_buckets=spec.model.num_buckets, id_sizes=id_sizes)


def _ranker_rows(inputs: RankerInputs, parts: Sequence[Featurized], examples: Sequence[RankerExamples]) -> RankerRows:
    dense, sparse = zip(*(part.encode(inputs) for part in parts), strict=True)
    first = np.cumsum([0, *(int(one.list_R[-1]) + 1 for one in examples)])
    return RankerRows(
        np.concatenate(dense),
        np.concatenate(sparse),
        np.concatenate([one.label_R for one in examples]),
        np.concatenate([one.weight_R for one in examples]),
        np.concatenate([one.list_R + start for one, start in zip(examples, first[:-1], strict=True)]),
    )
