"""Positions of lists as examples: what came there, among other items, behind what came before.

Legend of shapes: N positions of a batch, T places, S shared negatives, K candidates of a position, V items, E examples
of an epoch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aisle.data.item_lists import ItemLists
from aisle.nn.item_losses import loss_of_scores
from aisle.recipe.list_models.candidates import CandidateModelSpec
from aisle.train.lists.list_batches import similar_lengths
from aisle.train.lists.negatives import DrawnNegatives, InBatchNegatives, Negatives


@dataclass(frozen=True)
class PositionBatch:
    """What a step learns from.

    Attributes:
        items_NT: What came before each position, -1 behind it.
        targets_N: What came there.
        lists_N: Whose list it is.
        negatives_S: What was drawn for all of them; missing: nothing is drawn.
        actions_NT: What was done with each item, -1 behind it; missing: the lists do not know.
        target_actions_N: What was done with what came there.
    """

    items_NT: Tensor
    targets_N: Tensor
    lists_N: Tensor
    negatives_S: Tensor | None
    actions_NT: Tensor | None = None
    target_actions_N: Tensor | None = None


class PositionTrainee(ABC):
    """The part of a :class:`aisle.train.lists.trainee.Trainee` that makes examples and their loss of scores.

    Args:
        lists: The training lists; those of one item say nothing.
        num_items: V.
        spec: How it learns.
        seed: Draws positions and negatives, and orders them.
    """

    def __init__(self, lists: ItemLists, num_items: int, spec: CandidateModelSpec, *, seed: int) -> None:
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
            asked_N = lists.starts_R1[:-1] + places_E[rows_N]
            length = int(histories.sizes_R.max())
            done = [histories.padded_actions(length), lists.actions_E[asked_N]] if lists.actions_E is not None else []
            yield PositionBatch(
                _rows(histories.padded(length)),
                _rows(lists.items_E[asked_N]),
                torch.from_numpy(lists_E[rows_N]),
                self._drawn.draw(generator),
                *map(_rows, done),
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
        """The mean over the positions, and what the model adds."""
        spec, targets_N = self._spec.loss, batch.targets_N
        negatives = self._negatives(batch)
        shared_NS = negatives.items_S.expand(len(targets_N), -1)
        scores_NK, added = self._scores(batch, torch.cat([targets_N[:, None], shared_NS], dim=1))
        scores_NK = scores_NK.float() / spec.temperature
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
        return loss if added is None else loss + added

    def _negatives(self, batch: PositionBatch) -> Negatives:
        if self._spec.loss.in_batch:
            return self._in_batch.of(batch.targets_N, batch.lists_N, len(torch.unique(batch.lists_N)))
        if batch.negatives_S is None:
            return Negatives(torch.arange(self._num_items))
        return self._drawn.of(batch.negatives_S)

    @abstractmethod
    def _scores(self, batch: PositionBatch, candidates_NK: Tensor) -> tuple[Tensor, Tensor | None]:
        """The scores [N, K] of candidates, of which the first came there; and what else is to be learnt, a scalar."""


def _rows(values: NDArray[np.int32]) -> Tensor:
    return torch.from_numpy(values.astype(np.int64))
