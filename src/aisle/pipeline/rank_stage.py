"""The rank stage of a pipeline: features of the merged candidates, the exported ranker, within a budget of time.

Legend of shapes: K candidates, S sources of the pipeline, F candidate features, N dense and P sparse model inputs.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from aisle.bundle import Bundle, BundleWriter
from aisle.errors import BundleError
from aisle.features.candidates import CandidateFeaturizer
from aisle.features.drift import REFERENCE_FILE, FeatureReference, Observed
from aisle.features.item_tables import ItemColumns
from aisle.features.ranker_inputs import FIRST_ROW, RankerInputs
from aisle.pipeline.blend import Merged
from aisle.pipeline.calibration import Calibrator
from aisle.pipeline.onnx_ranker import OnnxRanker
from aisle.pipeline.query import Query
from aisle.schema import Item

STAGE_FILE = "ranker/stage"
#: Candidates are scored in parts, so that a budget is overrun by one part at most.
PART = 256


class OverBudgetError(Exception):
    """The stage ran out of time; whoever asked falls back to the blend."""


@dataclass(frozen=True)
class Featurized:
    """What a ranker is given of the candidates of one question, or of many training rows.

    Attributes:
        features_KF: See :class:`aisle.features.candidates.CandidateFeaturizer`.
        items_K: Item rows.
        codes_K2: Codes of category and brand; 0: unknown.
    """

    features_KF: NDArray[np.float32]
    items_K: NDArray[np.int32]
    codes_K2: NDArray[np.int32]

    @classmethod
    def of(cls, featurizer: CandidateFeaturizer, query: Query, merged: Merged, sources: Sequence[str]) -> Self:
        """Featurize merged candidates.

        Args:
            featurizer: Its sources may be more than those at hand: what is missing said nothing.
            query: Who asks.
            merged: The candidates.
            sources: The names of the S columns of ``merged``.
        """
        scores_KS = np.zeros((len(merged.rows_K), len(featurizer.sources)), np.float32)
        ranks_KS = np.zeros(scores_KS.shape, np.int32)
        places = [featurizer.sources.index(name) for name in sources]
        scores_KS[:, places] = merged.normalized_KS()
        ranks_KS[:, places] = merged.ranks_KS
        features_KF = featurizer.features(query, merged.rows_K, scores_KS, ranks_KS)
        return cls(features_KF, merged.rows_K, featurizer.item_codes(merged.rows_K))

    def encode(self, inputs: RankerInputs) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """A model's inputs [K, N] and [K, P]."""
        codes_K2 = self.codes_K2.astype(np.int64) + FIRST_ROW - 1  # code 0 is the unknown row
        ids: dict[str, NDArray[Any]] = {"item": self.items_K, "category": codes_K2[:, 0], "brand": codes_K2[:, 1]}
        return inputs.encode(self.features_KF, ids)


@dataclass(frozen=True)
class RankedCandidates:
    """What a stage answers.

    Attributes:
        rows_K: Item rows, best first.
        probability_K: That each is taken.
        observed: What the candidates were like; missing where the stage has nothing to compare them with.
    """

    rows_K: NDArray[np.int32]
    probability_K: NDArray[np.float32]
    observed: Observed | None


class RankStage:
    """Orders candidates by the probability that they are taken.

    Args:
        featurizer: Of candidates.
        inputs: From features to the model's inputs.
        ranker: The exported model.
        placement: The placement that it ranks.
        model: The model's kind, as answers and reports name it.
        reference: What the features were like in training.
    """

    def __init__(
        self,
        *,
        featurizer: CandidateFeaturizer,
        inputs: RankerInputs,
        ranker: OnnxRanker,
        placement: str,
        model: str,
        reference: FeatureReference | None = None,
    ) -> None:
        self.featurizer = featurizer
        self.inputs = inputs
        self.ranker = ranker
        self.placement = placement
        self.model = model
        self.reference = reference

    def with_calibrator(self, calibrator: Calibrator) -> RankStage:
        """The same stage under another calibrator."""
        changed = copy.copy(self)
        changed.ranker = self.ranker.with_calibrator(calibrator)
        return changed

    def with_reference(self, reference: FeatureReference) -> RankStage:
        """The same stage, which compares the features that it sees with these."""
        changed = copy.copy(self)
        changed.reference = reference
        return changed

    def with_new_items(self, items: Sequence[Item | None]) -> RankStage:
        """The fitted stage with newer items behind its rows, in their order (``None``: no record).

        Their price, category and brand count; the model knows none of their ids.
        """
        changed = copy.copy(self)
        changed.featurizer = self.featurizer.extended(ItemColumns.of_items(items))
        return changed

    def rank(
        self, query: Query, merged: Merged, sources: Sequence[str], *, deadline: float | None = None
    ) -> RankedCandidates:
        """Order merged candidates.

        Args:
            query: Who asks.
            merged: The candidates.
            sources: The names of the S columns of ``merged``.
            deadline: On the clock of ``time.perf_counter``; ``None``: take what it takes.

        Raises:
            OverBudgetError: the deadline passed.
        """
        _check(deadline)
        dense_KN, sparse_KP = self.featurize(query, merged, sources)
        logits_K = self._forward(dense_KN, sparse_KP, deadline)
        probability_K = self.ranker.calibrator.probabilities(logits_K).astype(np.float32)
        order_K = np.argsort(-logits_K, kind="stable")  # equal probabilities may have had unequal logits
        observed = None
        if self.reference is not None:
            observed = self.reference.observe(sparse_KP[:, : len(self.inputs.edges)] - FIRST_ROW, probability_K)
        return RankedCandidates(merged.rows_K[order_K], probability_K[order_K], observed)

    def featurize(
        self, query: Query, merged: Merged, sources: Sequence[str]
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """The model's inputs [K, N] and [K, P] of merged candidates."""
        return Featurized.of(self.featurizer, query, merged, sources).encode(self.inputs)

    def logits(self, query: Query, merged: Merged, sources: Sequence[str]) -> NDArray[np.float32]:
        """The log odds [K] of merged candidates; see :meth:`rank`."""
        return self.score(Featurized.of(self.featurizer, query, merged, sources))

    def score(self, candidates: Featurized) -> NDArray[np.float32]:
        """The log odds [K] of featurized candidates."""
        return self._forward(*candidates.encode(self.inputs), None)

    def _forward(
        self, dense_KN: NDArray[np.float32], sparse_KP: NDArray[np.int64], deadline: float | None
    ) -> NDArray[np.float32]:
        parts = []
        for start in range(0, len(dense_KN), PART):
            _check(deadline)
            part = slice(start, start + PART)
            parts.append(self.ranker.logits(dense_KN[part], sparse_KP[part]))
        return np.concatenate(parts) if parts else np.zeros(0, np.float32)

    def save(self, writer: BundleWriter) -> None:
        """Write everything that :meth:`load` reads."""
        self.featurizer.save(writer)
        self.inputs.save(writer)
        self.ranker.save(writer)
        if self.reference is not None:
            self.reference.save(writer)
        writer.write_json(STAGE_FILE, {"placement": self.placement, "model": self.model})

    @classmethod
    def load(cls, bundle: Bundle) -> Self:
        """Read what was saved.

        Raises:
            BundleError: a part is missing or not as expected.
        """
        document: dict[str, Any] = bundle.read_json(STAGE_FILE)
        try:
            placement, model = document["placement"], document["model"]
        except KeyError as error:
            raise BundleError(f"{STAGE_FILE}: expected the key {error}; train again with this version") from error
        return cls(
            featurizer=CandidateFeaturizer.load(bundle),
            inputs=RankerInputs.load(bundle),
            ranker=OnnxRanker.load(bundle),
            placement=placement,
            model=model,
            reference=FeatureReference.load(bundle) if f"{REFERENCE_FILE}.json" in bundle.names() else None,
        )


def _check(deadline: float | None) -> None:
    if deadline is not None and time.perf_counter() > deadline:
        raise OverBudgetError
