"""Training of models that read a history once for each candidate: the next item among others, at positions of lists.

Legend of shapes: N positions of a batch, T places, S shared negatives, V items, D width, E examples of an epoch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aisle.bundle import BundleWriter
from aisle.data.item_lists import ItemLists
from aisle.data.questions import ListSplit, Questions
from aisle.errors import ConfigError
from aisle.models.sequential.bst import ListBST
from aisle.models.sequential.candidate_model import CandidateModel
from aisle.models.sequential.dien import ListDIEN
from aisle.models.sequential.din import ListDIN
from aisle.nn.item_losses import loss_of_scores
from aisle.recipe.list_models.sequential import CandidateModelSpec, ListBstSpec, ListDienSpec, ListDinSpec
from aisle.train.lists.candidate_export import export_candidate_model
from aisle.train.lists.negatives import DrawnNegatives, InBatchNegatives, Negatives
from aisle.train.lists.next_item import similar_lengths

_SCORED_AT_ONCE = 1024


@dataclass(frozen=True)
class PositionBatch:
    """What came before each position [N, T], -1 behind it; what came there; whose list it is; drawn negatives [S]."""

    items_NT: Tensor
    targets_N: Tensor
    lists_N: Tensor
    negatives_S: Tensor | None


class CandidateTrainee:
    """A model with the training lists; see :class:`aisle.train.lists.trainee.Trainee`.

    Args:
        model: The network.
        lists: The training lists; those of one item say nothing.
        num_items: V.
        spec: How it learns.
        seed: Draws positions and negatives, and orders them.
    """

    def __init__(
        self, model: CandidateModel, lists: ItemLists, num_items: int, spec: CandidateModelSpec, *, seed: int
    ) -> None:
        self.network = model
        self._num_items, self._spec, self._seed = num_items, spec, seed
        self._lists = lists.take(np.flatnonzero(lists.sizes_R >= 2))
        counts_R = self._lists.sizes_R - 1
        self._asked_R = counts_R if spec.positions is None else np.minimum(counts_R, spec.positions)
        self.num_batches = -(-int(self._asked_R.sum()) // spec.batch_size)
        counts_V = np.bincount(lists.items_E, minlength=num_items)
        loss = spec.loss
        self._in_batch = InBatchNegatives(counts_V, log_q=loss.log_q)
        self._drawn = DrawnNegatives(
            counts_V,
            loss.negatives,
            popularity_power=loss.popularity_power,
            log_q=loss.log_q,
            is_distinct=loss.hard > 0,
        )

    def epoch(self, number: int) -> Iterator[PositionBatch]:
        """Batches of positions whose histories have similar lengths, in an order of chance."""
        generator = np.random.default_rng([self._seed, number])
        lists_E, places_E = self._positions(generator)
        sizes_E = np.minimum(places_E, self._spec.max_length)
        for rows_N in similar_lengths(sizes_E, self._spec.batch_size, generator):
            lists = self._lists.take(lists_E[rows_N])
            histories = lists.first(places_E[rows_N]).last(self._spec.max_length)
            targets_N = lists.items_E[lists.starts_R1[:-1] + places_E[rows_N]]
            yield PositionBatch(
                torch.from_numpy(histories.padded(int(histories.sizes_R.max())).astype(np.int64)),
                torch.from_numpy(targets_N.astype(np.int64)),
                torch.from_numpy(lists_E[rows_N]),
                self._drawn.draw(generator),
            )

    def _positions(self, generator: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The list and the place, from 1 on, of what an epoch asks: of each list as many as it may."""
        counts_R = self._lists.sizes_R - 1
        list_E = np.repeat(np.arange(len(counts_R)), counts_R)
        shuffled_E = np.lexsort([generator.random(len(list_E)), list_E])
        rank_E = np.arange(len(list_E)) - np.repeat(np.cumsum(counts_R) - counts_R, counts_R)
        asked_E = shuffled_E[rank_E < self._asked_R[list_E]]
        return list_E[asked_E], rank_E[asked_E] + 1

    def loss(self, batch: PositionBatch) -> Tensor:
        """The mean over the positions."""
        spec, targets_N = self._spec.loss, batch.targets_N
        negatives = self._negatives(batch)
        shared_NS = negatives.items_S.expand(len(targets_N), -1)
        scores_NK = self._scores(batch, torch.cat([targets_N[:, None], shared_NS], dim=1)).float() / spec.temperature
        loss = loss_of_scores(
            spec.kind,
            scores_NK[:, 0],
            scores_NK[:, 1:],
            targets_N,
            negatives.items_S,
            num_items=self._num_items,
            log_expected_S=negatives.log_expected_S,
            is_negative_NS=negatives.is_negative_NS,
            calibration=spec.calibration,
            hard=spec.hard,
        )
        added = self.network.take_auxiliary_loss()
        return loss if added is None else loss + added

    def _negatives(self, batch: PositionBatch) -> Negatives:
        if self._spec.loss.in_batch:
            return self._in_batch.of(batch.targets_N, batch.lists_N, len(torch.unique(batch.lists_N)))
        if batch.negatives_S is None:
            return Negatives(torch.arange(self._num_items))
        return self._drawn.of(batch.negatives_S)

    def _scores(self, batch: PositionBatch, candidates_NK: Tensor) -> Tensor:
        scores_NK: Tensor = self.network(batch.items_NT, candidates_NK)
        return scores_NK

    def recommender(self) -> TorchCandidateScorer:
        """Scores by the network itself."""
        return TorchCandidateScorer(self.network)


class TorchCandidateScorer:
    """Scores by a network, one history at a time, in blocks of candidates.

    Saving exports it: what a bundle holds is an :class:`aisle.pipeline.candidate_scorer.CandidateScorer`.
    """

    def __init__(self, model: CandidateModel) -> None:
        self._model = model

    def score(self, questions: Questions) -> NDArray[np.float32]:
        """The scores [R, V]; an empty history scores all items 0."""
        num_items = len(self._model.items)
        scores_RV = np.zeros((len(questions), num_items), np.float32)
        blocks = torch.split(torch.arange(num_items)[None], _SCORED_AT_ONCE, dim=1)
        self._model.eval()
        with torch.inference_mode():
            for row in np.flatnonzero(questions.histories.sizes_R > 0).tolist():
                history = questions.histories.take(slice(row, row + 1)).last(self._model.max_length)
                items_1T = torch.from_numpy(history.items_E.astype(np.int64))[None]
                scores_RV[row] = torch.cat([self._model(items_1T, block)[0] for block in blocks]).numpy()
        return scores_RV

    def save(self, writer: BundleWriter, folder: str) -> None:
        """Write the graph and the item vectors, which score without torch."""
        export_candidate_model(self._model).save(writer, folder)


def build_candidate_model(spec: CandidateModelSpec, split: ListSplit, *, seed: int = 0) -> CandidateTrainee:
    """A model that reads a history once for each candidate, on the training lists.

    Raises:
        ConfigError: the sizes do not fit, as heads that do not divide the width.
    """
    frame = spec.model_dump(include={"max_length", "hidden", "dropout"})
    generator = torch.Generator().manual_seed(seed)
    try:
        model = _MODELS[type(spec)](split.num_items, spec, frame, generator)
    except ValueError as error:
        raise ConfigError(f"model: {error}") from error
    return CandidateTrainee(model, split.train, split.num_items, spec, seed=seed)


def _din(num_items: int, spec: ListDinSpec, frame: dict[str, Any], generator: torch.Generator) -> CandidateModel:
    return ListDIN(num_items, spec.dim, attention_layers=spec.attention_layers, generator=generator, **frame)


def _bst(num_items: int, spec: ListBstSpec, frame: dict[str, Any], generator: torch.Generator) -> CandidateModel:
    return ListBST(num_items, spec.dim, num_heads=spec.num_heads, generator=generator, **frame)


def _dien(num_items: int, spec: ListDienSpec, frame: dict[str, Any], generator: torch.Generator) -> CandidateModel:
    return ListDIEN(num_items, spec.dim, auxiliary_weight=spec.auxiliary_weight, generator=generator, **frame)


_MODELS: dict[type[CandidateModelSpec], Callable[..., CandidateModel]] = {
    ListBstSpec: _bst,
    ListDienSpec: _dien,
    ListDinSpec: _din,
}
