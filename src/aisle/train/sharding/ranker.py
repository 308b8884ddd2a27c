"""A ranker on several ranks: tables are sharded, dense parts are on each; every batch's rows are shared out.

Every rank runs the same loop over the same batches, computes the logits of its part of the rows and gets those of all.
So each has the whole loss, decides alike, and its backward pass gives its rows' part of every gradient; these parts are
summed. The states that are seen outside are those of a ranker in one process: rank 0 gathers whole tables.

Legend of shapes: B rows of a batch, P rows of a rank's part, N dense features; logits of several labels have a column
for each beside.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, distributed, nn
from torch.autograd.function import once_differentiable

from aisle.models import MultiTaskRanker, Ranker
from aisle.nn.embeddings import EmbeddingBagCollection
from aisle.nn.sparse import SparseFeatures
from aisle.train.engine.checkpoints import Checkpoint, Checkpoints
from aisle.train.engine.optimizers import Optimizers, OptimizerSettings
from aisle.train.sharding.embeddings import ShardedEmbeddings

#: What the stacked tables and their optimizer's state are called in the states of one process.
_TABLES = "embeddings.table.weight"
_TABLES_STATE = "tables/0/"


def shard_ranker(ranker: Ranker, settings: OptimizerSettings) -> tuple[Ranker, Optimizers]:
    """Put a ranker, the same on every rank, on all of them: see :data:`aisle.train.engine.loop.Place`."""
    assert settings.tables is not None, "checked before ranks are started"
    embeddings = ShardedEmbeddings(ranker.embeddings, settings.tables)
    ranker.embeddings = cast(EmbeddingBagCollection, embeddings)
    return ShardedRanker(ranker, embeddings), ShardedOptimizers(ranker, settings, embeddings)


class ShardedRanker:
    """A :class:`~aisle.models.Ranker` whose calls are made by all ranks at the same time, with the same rows."""

    def __init__(self, ranker: Ranker, embeddings: ShardedEmbeddings) -> None:
        self._ranker = ranker
        self._embeddings = embeddings
        self.embeddings = ranker.embeddings
        self.num_dense = ranker.num_dense
        if isinstance(ranker, MultiTaskRanker):
            self.tasks = ranker.tasks

    def __call__(self, dense_BN: Tensor, sparse: SparseFeatures) -> Tensor:
        """The logits [B] of a batch: of all its rows, each computed by one rank."""
        num_rows, num_ranks, rank = len(dense_BN), distributed.get_world_size(), distributed.get_rank()
        num_own = -(-num_rows // num_ranks)
        # The last ranks' parts are filled up with the last row, whose copies get no gradient.
        own_P = torch.arange(rank * num_own, (rank + 1) * num_own).clamp(max=num_rows - 1)
        logits_P = self._ranker(dense_BN[own_P], SparseFeatures(sparse.ids_BS[own_P]))
        logits: Tensor = _OfAllRanks.apply(logits_P.float())  # type: ignore[no-untyped-call]
        return logits[:num_rows]

    def score(self, dense_BN: Tensor, embedded_BFD: Tensor) -> Tensor:
        """As of the ranker."""
        return self._ranker.score(dense_BN, embedded_BFD)

    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """The dense parts."""
        return self._ranker.named_parameters()

    def state_dict(self) -> dict[str, Any]:
        """The state of a ranker in one process; on ranks but the first, without the tables."""
        weight = self._embeddings.gather("weight")
        state = self._ranker.state_dict()
        return state if weight is None else {**state, _TABLES: weight}

    def to(self, device: torch.device) -> None:
        """Nowhere else: ranks share tables on the processor.

        Raises:
            ValueError: the device is another.
        """
        if device.type != "cpu":
            raise ValueError(f"expected ranks on the processor, received the device {device}")

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take what :meth:`state_dict` gave, or a ranker in one process: tables from rank 0."""
        self._embeddings.deal("weight", state_dict.get(_TABLES))
        self._ranker.load_state_dict({name: value for name, value in state_dict.items() if name != _TABLES})

    @property
    def training(self) -> bool:
        """As of the ranker."""
        return self._ranker.training

    def train(self, mode: bool = True) -> None:
        """As of the ranker."""
        self._ranker.train(mode)


class _OfAllRanks(torch.autograd.Function):
    """Numbers of all ranks, one rank's behind the other's; each rank takes its part of the gradient of its own loss."""

    @staticmethod
    def forward(ctx: Any, part_P: Tensor) -> Tensor:
        whole = part_P.new_empty(len(part_P) * distributed.get_world_size(), *part_P.shape[1:])
        distributed.all_gather_single(whole, part_P.contiguous())
        return whole

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient.chunk(distributed.get_world_size())[distributed.get_rank()]


class ShardedOptimizers(Optimizers):
    """The dense optimizer of every rank, which makes the same steps on each, and the tables' own.

    Tables move within the backward pass, also where the loss turns out not to be finite.
    """

    def __init__(self, ranker: Ranker, settings: OptimizerSettings, embeddings: ShardedEmbeddings) -> None:
        super().__init__(ranker, settings)  # which finds no table in one process
        self._embeddings = embeddings

    def begin(self, factor: float) -> None:
        """Hand the learning rate to the tables."""
        self._embeddings.set_learning_rate(self._table_rate * factor)

    def step(self, factor: float) -> None:
        """Sum the dense parts' gradients over ranks, and move them."""
        gradients = [one.grad for group in self._dense.param_groups for one in group["params"] if one.grad is not None]
        if gradients:
            whole = torch.cat([gradient.flatten() for gradient in gradients])
            distributed.all_reduce(whole)
            parts = torch.split(whole, [gradient.numel() for gradient in gradients])
            for gradient, part in zip(gradients, parts, strict=True):
                gradient.copy_(part.view_as(gradient))
        super().step(factor)

    def tensors(self) -> dict[str, Tensor]:
        """The state of optimizers in one process; on ranks but the first, without the tables'."""
        gathered = {_TABLES_STATE + name: self._embeddings.gather(name) for name in self._embeddings.state_names}
        gathered[_TABLES_STATE + "seen"] = torch.zeros(0, dtype=torch.int32)  # is for penalties, which ranks have not
        return super().tensors() | {name: one for name, one in gathered.items() if one is not None}

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from what :meth:`tensors` gave, or optimizers in one process: the tables' from rank 0."""
        super().load_tensors(tensors)
        for name in self._embeddings.state_names:
            self._embeddings.deal(name, tensors.get(_TABLES_STATE + name))


class RankCheckpoints(Checkpoints):
    """The checkpoints of one training on several ranks: rank 0 writes, and says when; whole tables are only there."""

    def __init__(self, directory: Path, *, every_steps: int | None = None, every_seconds: float | None = 60.0) -> None:
        super().__init__(directory, every_steps=every_steps, every_seconds=every_seconds)
        self._is_first = distributed.get_rank() == 0

    def is_due(self, num_steps: int) -> bool:
        """As rank 0 finds."""
        due = torch.tensor(super().is_due(num_steps))
        distributed.broadcast(due, 0)
        return bool(due)

    def write(self, checkpoint: Checkpoint) -> None:
        """Replace the checkpoint; on ranks but the first, nothing."""
        if self._is_first:
            super().write(checkpoint)

    def read(self) -> Checkpoint | None:
        """The last checkpoint; on ranks but the first, without tables."""
        found = super().read()
        if found is None or self._is_first:
            return found
        tables = (_TABLES, _TABLES_STATE)
        kept = {name: one for name, one in found.tensors.items() if not any(part in name for part in tables)}
        return Checkpoint(kept, found.state)

    def remove(self) -> None:
        """Forget what was written, once no rank may still read it."""
        if self._is_first:
            super().remove()
        distributed.barrier()
