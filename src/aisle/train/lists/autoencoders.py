"""Training of autoencoders of what users took: batches of users, the multinomial likelihood, KL annealing.

Legend of shapes: B users of a batch, E entries of their histories, V items.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from aisle.data.item_lists import ItemLists
from aisle.data.questions import ListSplit
from aisle.models.collaborative import MultDAE, MultVAE
from aisle.pipeline.list_recommenders.interactions import taken_matrix
from aisle.recipe.list_models.deep_collaborative import MultDaeSpec, MultVaeSpec
from aisle.retrieval.networks import HistoryNetwork


@dataclass(frozen=True)
class HistoryBatch:
    """Users with their histories.

    Attributes:
        items_E: The items of all of them, one user after the other, each item of a user once.
        starts_B: Where each user's start.
        step: Which step of training it is, from 0.
    """

    items_E: Tensor
    starts_B: Tensor
    step: int


class AutoencoderTrainee:
    """An autoencoder with the training lists; see :class:`aisle.train.lists.trainee.Trainee`.

    Args:
        network: The model.
        lists: Users with what they took; those with nothing are left out.
        num_items: V.
        batch_size: B.
        beta: How much the divergence of latent values counts at most.
        anneal_steps: Over so many steps its weight rises from 0 to ``beta``; 0: it has it from the start.
        seed: Orders the users.
    """

    def __init__(
        self,
        network: MultDAE,
        lists: ItemLists,
        num_items: int,
        *,
        batch_size: int,
        beta: float = 0.0,
        anneal_steps: int = 0,
        seed: int = 0,
    ) -> None:
        taken = taken_matrix(lists.take(np.flatnonzero(lists.sizes_R > 0)), num_items)
        self._model = network
        self._lists = ItemLists(taken.indptr.astype(np.int64), taken.indices.astype(np.int32))
        self._batch_size, self._beta, self._anneal_steps, self._seed = batch_size, beta, anneal_steps, seed
        self.network: nn.Module = network
        self.num_batches = -(-len(self._lists) // batch_size)

    def epoch(self, number: int) -> Iterator[HistoryBatch]:
        """All users once, in an order of chance."""
        order = np.random.default_rng([self._seed, number]).permutation(len(self._lists))
        for batch in range(self.num_batches):
            users = self._lists.take(order[batch * self._batch_size : (batch + 1) * self._batch_size])
            items_E = torch.from_numpy(users.items_E.astype(np.int64))
            yield HistoryBatch(items_E, torch.from_numpy(users.starts_R1[:-1]), number * self.num_batches + batch)

    def loss(self, batch: HistoryBatch) -> Tensor:
        """The mean over users of the negative log likelihood (in nats), and the annealed divergence."""
        logits_BV, divergence = self._model(batch.items_E, batch.starts_B)
        ends_B = torch.cat([batch.starts_B[1:], torch.tensor([len(batch.items_E)])])
        sizes_B = ends_B - batch.starts_B
        users_E = torch.repeat_interleave(torch.arange(len(sizes_B)), sizes_B)
        logits_BV = logits_BV.float()
        told = (logits_BV.logsumexp(dim=1) * sizes_B).sum() - logits_BV[users_E, batch.items_E].sum()
        loss: Tensor = told / len(sizes_B) + self._weight(batch.step) * divergence
        return loss

    def recommender(self) -> HistoryNetwork:
        """What the network is worth now."""
        return self._model.recommender()

    def _weight(self, step: int) -> float:
        return self._beta * min(1.0, step / self._anneal_steps) if self._anneal_steps else self._beta


def build_mult_vae(spec: MultVaeSpec, split: ListSplit, *, seed: int = 0) -> AutoencoderTrainee:
    """Mult-VAE on the training lists."""
    network = MultVAE(
        split.num_items,
        hidden=spec.hidden,
        latent=spec.latent,
        dropout=spec.dropout,
        generator=torch.Generator().manual_seed(seed),
    )
    return AutoencoderTrainee(
        network,
        split.train,
        split.num_items,
        batch_size=spec.batch_size,
        beta=spec.beta,
        anneal_steps=spec.anneal_steps,
        seed=seed,
    )


def build_mult_dae(spec: MultDaeSpec, split: ListSplit, *, seed: int = 0) -> AutoencoderTrainee:
    """Mult-DAE on the training lists."""
    network = MultDAE(
        split.num_items,
        hidden=spec.hidden,
        latent=spec.latent,
        dropout=spec.dropout,
        generator=torch.Generator().manual_seed(seed),
    )
    return AutoencoderTrainee(network, split.train, split.num_items, batch_size=spec.batch_size, seed=seed)
