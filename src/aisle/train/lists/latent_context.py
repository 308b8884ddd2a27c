"""Training of NCF with a latent context: at every position of a user's list, the item taken there beside others.

Legend of shapes: B lists of a batch, T positions, N positions that have a target, C items of an example (the taken one,
then negatives), V items.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from aisle.data.item_lists import ItemLists
from aisle.data.questions import ListSplit
from aisle.models.sequential.slcm import SLCM
from aisle.recipe.list_models.sequential import SlcmSpec
from aisle.retrieval.histories import pieces
from aisle.retrieval.networks import ContextNetwork
from aisle.train.lists.list_batches import similar_lengths
from aisle.train.lists.next_item import SequenceScorer
from aisle.train.lists.pair_trainee import taken_or_not


@dataclass(frozen=True)
class ContextBatch:
    """What each user took, whose the lists are, and at each position with a target that and negatives."""

    items_BT: Tensor
    users_B: Tensor
    has_target_BT: Tensor
    items_NC: Tensor


class LatentContextTrainee:
    """SLCM with the training lists; see :class:`aisle.train.lists.trainee.Trainee`.

    Args:
        network: The model.
        lists: What each user took; long lists are cut into pieces, so that all but their first items are sought.
        num_items: V.
        spec: How it learns.
        seed: Orders the lists and draws negatives.
    """

    def __init__(self, network: SLCM, lists: ItemLists, num_items: int, spec: SlcmSpec, *, seed: int) -> None:
        self.network = network
        users_R = np.flatnonzero(lists.sizes_R >= 2)  # one item was taken in no context
        taken = lists.take(users_R)
        self._lists = pieces(taken, spec.max_length)
        self._users_R = np.repeat(users_R, -(-(taken.sizes_R - 1) // spec.max_length))
        self._num_items, self._spec, self._seed = num_items, spec, seed
        self.num_batches = -(-len(self._lists) // spec.batch_size)

    def epoch(self, number: int) -> Iterator[ContextBatch]:
        """Batches of lists of similar lengths; negatives are drawn evenly from all items."""
        generator = np.random.default_rng([self._seed, number])
        for rows_B in similar_lengths(self._lists.sizes_R, self._spec.batch_size, generator):
            lists = self._lists.take(rows_B)
            padded_BT = lists.padded(int(lists.sizes_R.max())).astype(np.int64)
            has_target_BT = padded_BT[:, 1:] >= 0
            targets_N = padded_BT[:, 1:][has_target_BT]
            negatives = generator.integers(0, self._num_items, (len(targets_N), self._spec.negatives))
            yield ContextBatch(
                torch.from_numpy(padded_BT[:, :-1]),
                torch.from_numpy(self._users_R[rows_B]),
                torch.from_numpy(has_target_BT),
                torch.from_numpy(np.concatenate([targets_N[:, None], negatives], axis=1)),
            )

    def loss(self, batch: ContextBatch) -> Tensor:
        """The mean binary cross-entropy of taken items and negatives."""
        contexts_NX = self.network.context(batch.items_BT)[batch.has_target_BT]
        users_N = batch.users_B[:, None].expand_as(batch.has_target_BT)[batch.has_target_BT]
        return taken_or_not(self.network(users_N, contexts_NX, batch.items_NC))

    def recommender(self) -> ContextNetwork:
        """Contexts are made by the network itself, until they are saved."""
        encoder = SequenceScorer(self.network.context, self._spec.max_length)
        weights_XH = self.network.context_XH.detach().numpy().copy()
        return ContextNetwork(self.network.mlp.recommender(), encoder, weights_XH)


def build_slcm(spec: SlcmSpec, split: ListSplit, *, seed: int = 0) -> LatentContextTrainee:
    """SLCM on the training lists."""
    network = SLCM(
        len(split.train),
        split.num_items,
        dimension=spec.dimension,
        context=spec.context,
        cell=spec.cell,
        hidden=spec.hidden,
        dropout=spec.dropout,
        generator=torch.Generator().manual_seed(seed),
    )
    return LatentContextTrainee(network, split.train, split.num_items, spec, seed=seed)
