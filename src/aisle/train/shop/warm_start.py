"""Starts a ranker's tables from those of an earlier bundle, row by row by id: what it knew of an item is not lost.

The dense layers start anew: they are few, and learnt from every row.

Legend of shapes: W looked up width of one model, M models of an ensemble.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from aisle.features.ranker_inputs import FIRST_ROW, RankerInputs
from aisle.models import Ranker
from aisle.pipeline import Pipeline
from aisle.pipeline.embedding_lookup import FeatureRows
from aisle.pipeline.rank_stage import RankStage
from aisle.schema import format_timestamp

logger = logging.getLogger(__name__)

_ID_TABLES = ("item", "category", "brand")


@dataclass(frozen=True)
class TableNames:
    """What the rows of id tables stand for, from the first row behind padding and unknown on."""

    item: Sequence[str]
    category: Sequence[str]
    brand: Sequence[str]


@dataclass(frozen=True)
class WarmStart:
    """The ranker of an earlier bundle.

    Attributes:
        version: The bundle's.
        fitted_until_ms: It has seen nothing from then on.
        names: What its ids are.
        stage: The ranker.
    """

    version: str
    fitted_until_ms: int
    names: TableNames
    stage: RankStage

    @classmethod
    def of(cls, version: str, pipeline: Pipeline) -> WarmStart | None:
        """That of a bundle's pipeline; ``None`` where it has no ranker."""
        stage = pipeline.rank_stage
        if stage is None:
            return None
        featurizer = stage.featurizer
        names = TableNames(pipeline.item_ids[FIRST_ROW:], featurizer.categories, featurizer.brands)
        return cls(version, pipeline.fitted_until_ms, names, stage)

    def may_start(self, until_ms: int) -> bool:
        """Whether a ranker of some time may start from it: not if it has seen what that ranker is tested on."""
        if self.fitted_until_ms <= until_ms:
            return True
        logger.info(
            "the ranker of %s starts anew: the bundle %s has seen events after it",
            format_timestamp(until_ms),
            self.version,
        )
        return False

    def start(self, model: Ranker, inputs: RankerInputs, names: TableNames, *, member: int, num_members: int) -> None:
        """Take over the vectors of what both know: ids by name, and buckets where their edges are the same.

        Args:
            model: With its first weights, which stand where the earlier one knows nothing.
            inputs: What its other tables' rows are.
            names: What its ids are.
            member: Which model of an ensemble it is.
            num_members: How many the ensemble has.
        """
        lookup = self.stage.ranker.embeddings
        width = model.embeddings.embedding_dim
        if lookup.table.embedding_dim != width * num_members:
            logger.warning(
                "the ranker starts anew: expected vectors of %d numbers, those of the bundle %s have %d",
                width * num_members,
                self.version,
                lookup.table.embedding_dim,
            )
            return
        part = slice(member * width, (member + 1) * width)
        taken = 0
        for feature in lookup.features:
            if feature.name not in model.embeddings.feature_names:
                continue
            rows, theirs = self._common_rows(feature, inputs, names)
            vectors = lookup.table.lookup(theirs + feature.offset)[:, part]
            model.embeddings.rows_of(feature.name)[torch.from_numpy(rows)] = torch.from_numpy(vectors.copy())
            taken += len(rows)
        logger.info("%d rows of the ranker's tables start from the bundle %s", taken, self.version)

    def _common_rows(
        self, feature: FeatureRows, inputs: RankerInputs, names: TableNames
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The rows of a table here and there that stand for the same."""
        if feature.name in _ID_TABLES:
            mine, earlier = getattr(names, feature.name), getattr(self.names, feature.name)
            row_of = {name: row for row, name in enumerate(earlier, FIRST_ROW)}
            pairs = [(row, row_of[name]) for row, name in enumerate(mine, FIRST_ROW) if name in row_of]
            both = np.array([*((row, row) for row in range(FIRST_ROW)), *pairs], np.int64)
            return both[:, 0], both[:, 1]
        ours, theirs = _edges(inputs, feature.name), _edges(self.stage.inputs, feature.name)
        same = ours is not None and theirs is not None and np.array_equal(ours, theirs)
        rows = np.arange(feature.num_embeddings if same else 0)
        return rows, rows


def _edges(inputs: RankerInputs, name: str) -> NDArray[np.float32] | None:
    names = inputs.dense_names
    return inputs.edges[names.index(name)] if name in names else None
