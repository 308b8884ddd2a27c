"""Training of models of sequences: what is sought at each position, and how far it stands above other items.

Legend of shapes: B sequences of a batch, T positions, N positions that have a target, V items, S negatives, K distinct
items among them and the targets, D width.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aisle.bundle import BundleWriter
from aisle.data.item_lists import ItemLists
from aisle.data.questions import Questions
from aisle.models.sequential.sequence_model import SequenceModel
from aisle.models.sequential.side_information import NOTHING, Events
from aisle.nn.full_softmax import full_softmax
from aisle.nn.item_losses import LossKind, sampled_loss
from aisle.train.lists.encoder_export import export_encoder
from aisle.train.lists.events import read_events
from aisle.train.lists.list_batches import similar_lengths
from aisle.train.lists.negatives import DrawnNegatives, InBatchNegatives
from aisle.train.lists.tasks import NextItems, Task
from aisle.train.lists.teachers import TrainedTeachers

_SCORED_AT_ONCE = 256


@dataclass(frozen=True, kw_only=True)
class NextItemSettings:
    """What a model of sequences learns from.

    Attributes:
        max_length: Of a sequence only the last so many items count.
        batch_size: Sequences of a step.
        loss: See :mod:`aisle.nn.item_losses`.
        num_negatives: Shared by a batch; 0: all items (softmax alone).
        popularity_power: Negatives are drawn in proportion to this power of how often items occur; 0: uniformly.
        log_q: Whether the softmax corrects for how negatives are drawn.
        calibration: Of gBCE.
        temperature: Scores are divided by it.
        hard: Of the distinct negatives so many count at each position, the highest scoring ones; 0: all.
        in_batch: Whether negatives of a position are what other sequences of the batch seek; none are drawn then.
        skip_known: Whether the softmax over all items leaves out what a position has read, as answers do that mask it.
        seed: Orders the sequences and draws negatives.
    """

    max_length: int = 200
    batch_size: int = 128
    loss: LossKind = "softmax"
    num_negatives: int = 0
    popularity_power: float = 0.0
    log_q: bool = False
    calibration: float = 0.75
    temperature: float = 1.0
    hard: int = 0
    in_batch: bool = False
    skip_known: bool = False
    seed: int = 0


@dataclass(frozen=True)
class SequenceBatch:
    """Sequences [B, T] with -1 behind each, what is sought there, negatives where they are sampled, events.

    ``taught`` are the events as each teacher reads them.
    """

    items_BT: Tensor
    targets_BT: Tensor
    negatives_S: Tensor | None
    events: Events = NOTHING
    taught: tuple[Events, ...] = ()


class NextItemTrainee:
    """A model of sequences with the training lists; see :class:`aisle.train.lists.trainee.Trainee`.

    Args:
        model: The network.
        lists: The training lists; those of one item say nothing.
        num_items: V.
        settings: How it learns.
        task: What is sought; missing: the next item at each position.
        teachers: Whose expectations are learnt beside it, by the softmax over all items alone; missing: nobody's.
    """

    def __init__(
        self,
        model: SequenceModel,
        lists: ItemLists,
        num_items: int,
        settings: NextItemSettings,
        *,
        task: Task | None = None,
        teachers: TrainedTeachers | None = None,
    ) -> None:
        needs_negatives = settings.loss != "softmax" or settings.hard > 0
        if settings.num_negatives == 0 and not settings.in_batch and needs_negatives:
            what = "hard negatives" if settings.hard else f"the loss {settings.loss}"
            raise ValueError(f"num_negatives: expected 1 or more for {what}, received 0")
        if settings.num_negatives and settings.in_batch:
            raise ValueError(f"num_negatives: expected 0 with in_batch, received {settings.num_negatives}")
        self.network = model
        self.settings = settings
        self._task = task or NextItems()
        self._num_items = num_items
        self._teachers = teachers
        self._lists = lists.take(np.flatnonzero(lists.sizes_R >= 2)).last(settings.max_length + 1)
        self.num_batches = -(-len(self._lists) // settings.batch_size)
        counts_V = np.bincount(lists.items_E, minlength=num_items)
        self._in_batch = InBatchNegatives(counts_V, log_q=settings.log_q)
        self._drawn = DrawnNegatives(
            counts_V,
            settings.num_negatives,
            popularity_power=settings.popularity_power,
            log_q=settings.log_q,
            is_distinct=settings.hard > 0,
        )

    def epoch(self, number: int) -> Iterator[SequenceBatch]:
        """Batches of sequences of similar lengths, in an order of chance."""
        generator = np.random.default_rng([self.settings.seed, number])
        for rows_B in similar_lengths(self._lists.sizes_R, self.settings.batch_size, generator):
            padded = self._lists.take(rows_B)
            length = int(padded.sizes_R.max())
            items_BT, targets_BT = self._task(padded.padded(length).astype(np.int64), generator)
            negatives_S = self._drawn.draw(generator)
            events = read_events(self.network.side, padded, length, items_BT.shape[1])
            taught = () if self._teachers is None else self._teachers.events(padded, length, items_BT.shape[1])
            yield SequenceBatch(torch.from_numpy(items_BT), torch.from_numpy(targets_BT), negatives_S, events, taught)

    def loss(self, batch: SequenceBatch) -> Tensor:
        """The mean over all positions that have a target."""
        settings = self.settings
        has_target_BT = batch.targets_BT >= 0
        queries_ND = self.network(batch.items_BT, batch.events)[has_target_BT].float()
        targets_N = batch.targets_BT[has_target_BT]
        if settings.in_batch:
            negatives = self._in_batch.of(targets_N, has_target_BT.nonzero()[:, 0], len(has_target_BT))
        elif batch.negatives_S is not None:
            negatives = self._drawn.of(batch.negatives_S)
        else:
            known = self._task.known(has_target_BT, batch.items_BT) if settings.skip_known else None
            taught = self._teachers
            teachers = None if taught is None else taught.at(has_target_BT, batch.items_BT, batch.taught)
            items_VD = self.network.item_vectors()
            return full_softmax(queries_ND, items_VD, targets_N, settings.temperature, known, teachers)
        # A step touches some thousand items: those of a large catalogue are neither normalized nor copied whole.
        rows_K, places = torch.unique(torch.cat([targets_N, negatives.items_S]), return_inverse=True)
        return sampled_loss(
            settings.loss,
            queries_ND,
            self.network.item_vectors(rows_K),
            places[: len(targets_N)],
            places[len(targets_N) :],
            temperature=settings.temperature,
            log_expected_S=negatives.log_expected_S,
            is_negative_NS=negatives.is_negative_NS,
            calibration=settings.calibration,
            hard=settings.hard,
            num_items=self._num_items,
        )

    def recommender(self) -> SequenceScorer:
        """Scores by the network itself."""
        return SequenceScorer(self.network, self.settings.max_length)


class SequenceScorer:
    """Scores by a network; the last position of each history asks.

    Saving exports it: what a bundle holds is an :class:`aisle.pipeline.sequence_encoder.SequenceEncoder`.
    """

    def __init__(self, model: SequenceModel, max_length: int) -> None:
        self._model = model
        self._max_length = max_length

    def score(self, questions: Questions) -> NDArray[np.float32]:
        """The scores [R, V]; an empty history scores all items 0."""
        with torch.inference_mode():
            vectors_VD = self._model.item_vectors()
            queries_RD = torch.from_numpy(self.queries(questions.histories))
            return np.asarray((queries_RD @ vectors_VD.T).numpy())

    def queries(self, histories: ItemLists) -> NDArray[np.float32]:
        """The query of each history [R, D]; that of an empty one is 0."""
        queries_RD = np.zeros((len(histories), self._model.items.shape[1]), np.float32)
        asking_R = np.flatnonzero(histories.sizes_R > 0)
        with torch.inference_mode():
            for start in range(0, len(asking_R), _SCORED_AT_ONCE):
                rows_B = asking_R[start : start + _SCORED_AT_ONCE]
                queries_RD[rows_B] = self._encode(histories.take(rows_B))
        return queries_RD

    def save(self, writer: BundleWriter, folder: str) -> None:
        """Write the encoder and the item vectors, which score without torch."""
        export_encoder(self._model, self._max_length).save(writer, folder)

    def _encode(self, histories: ItemLists) -> NDArray[np.float32]:
        sizes_B = np.minimum(histories.sizes_R, self._max_length)
        length = int(sizes_B.max())
        items_BT = torch.from_numpy(histories.padded(length).astype(np.int64))
        events = read_events(self._model.side, histories, length)
        embedded_BTD = self._model.embed(items_BT, events)
        queries_BD = self._model.last_queries(embedded_BTD, torch.from_numpy(sizes_B - 1), events.times_BT)
        return np.asarray(queries_BD.float().numpy())
