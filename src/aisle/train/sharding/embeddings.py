"""An embedding collection whose tables lie on several ranks, as one module: looked up, gathered whole, dealt out again.

Legend of shapes: B rows of a batch, S features, D embedding dimension.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, distributed, nn

from aisle.nn.embeddings import EmbeddingBagCollection
from aisle.nn.sparse import SparseFeatures
from aisle.nn.tables import EmbeddingBagConfig
from aisle.pipeline.embedding_lookup import UNKNOWN_ROW
from aisle.train.engine.table_optimizers import TableRule
from aisle.train.sharding.torchrec_adapter import key_jagged, shard_tables, state_key_of, weight_key


@dataclass(frozen=True)
class _Shard:
    """Rows of the stacked tables that one rank holds; ``tensors`` are there on that rank alone.

    Attributes:
        rank: Whose.
        start: The first row in the stacked tables.
        num_rows: How many.
        tensors: The memory itself: ``weight``, and the state of its optimizer by our names.
    """

    rank: int
    start: int
    num_rows: int
    tensors: dict[str, Tensor]


class ShardedEmbeddings(nn.Module):
    """An embedding collection whose tables lie on several ranks; each asks for the vectors of its own rows of a batch.

    All ranks must call every method at the same time.

    Attributes:
        feature_names: As of the collection.
        bag_names: Likewise; none.
        embedding_dim: D.
        state_names: What the rule keeps beside each row or weight.

    Args:
        embeddings: The whole collection, on every rank the same; its weights are copied.
        rule: How rows move, within the backward pass.
    """

    def __init__(self, embeddings: EmbeddingBagCollection, rule: TableRule) -> None:
        super().__init__()
        self.feature_names = embeddings.feature_names
        self.bag_names = embeddings.bag_names
        self.embedding_dim = embeddings.embedding_dim
        first_unknown = [table.first_unknown for table in embeddings.tables for _ in table.feature_names]
        self._first_unknown_S = torch.tensor(first_unknown)
        # In a tuple, so that torch does not count its weights as ours: they are no whole tables.
        self._sharded = (shard_tables(embeddings.tables, rule),)
        self._optimizer = self._sharded[0].fused_optimizer
        self._num_rows = len(embeddings.table.weight)
        self._rule = rule
        self.state_names = () if rule == "sgd" else ("squares",)
        self._shards = list(self._find_shards(embeddings.tables))
        for shard in self._shards:
            if "weight" in shard.tensors:
                rows = slice(shard.start, shard.start + shard.num_rows)
                shard.tensors["weight"].copy_(embeddings.table.weight.detach()[rows])

    def forward(self, sparse: SparseFeatures, *, rounded: bool = False) -> Tensor:
        """The vectors [B, S, D] of the rows that this rank asks for; each rank asks for as many, in float32."""
        if torch.is_inference_mode_enabled():  # FBGEMM's kernels for a CPU have no such mode
            with torch.inference_mode(False), torch.no_grad():
                return self._look_up(sparse.ids_BS.clone())
        return self._look_up(sparse.ids_BS)

    def _look_up(self, ids_BS: Tensor) -> Tensor:
        known_BS = torch.where((ids_BS >= 0) & (ids_BS < self._first_unknown_S), ids_BS, UNKNOWN_ROW)
        vectors = self._sharded[0](key_jagged(self.feature_names, known_BS)).wait().to_dict()
        return torch.stack([vectors[name] for name in self.feature_names], dim=1)

    def set_learning_rate(self, rate: float) -> None:
        """The rate of updates in the backward pass of what is looked up from now on."""
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.zero_grad()  # hands the rates to the kernels

    def gather(self, name: str) -> Tensor | None:
        """``weight`` or a state of the stacked tables as a whole, on rank 0; elsewhere ``None``."""
        if distributed.get_rank() != 0:
            for shard in self._shards:
                if name in shard.tensors:
                    distributed.send(shard.tensors[name].contiguous(), 0)
            return None
        by_row = name == "squares" and self._rule == "row_wise_adagrad"
        whole = torch.empty(self._num_rows, *(() if by_row else (self.embedding_dim,)))
        for shard in self._shards:
            part = whole[shard.start : shard.start + shard.num_rows]
            if shard.rank == 0:
                part.copy_(shard.tensors[name])
            else:
                distributed.recv(part, shard.rank)
        return whole

    def deal(self, name: str, whole: Tensor | None) -> None:
        """Hand out what :meth:`gather` gave, from rank 0."""
        for shard in self._shards:
            if distributed.get_rank() == 0:
                assert whole is not None, "rank 0 holds what is dealt out"
                part = whole[shard.start : shard.start + shard.num_rows]
                if shard.rank == 0:
                    shard.tensors[name].copy_(part)
                else:
                    distributed.send(part.contiguous(), shard.rank)
            elif name in shard.tensors:
                received = torch.empty_like(shard.tensors[name], memory_format=torch.contiguous_format)
                distributed.recv(received, 0)
                shard.tensors[name].copy_(received)

    def _find_shards(self, tables: Sequence[EmbeddingBagConfig]) -> Iterator[_Shard]:
        """The shards of all tables in one order on every rank."""
        weights = self._sharded[0].state_dict()
        states = self._optimizer.state_dict()["state"]
        start = 0
        for number, table in enumerate(tables):
            key, state_key = weight_key(number), state_key_of(number)
            here = {"weight": weights[key].local_shards()}
            if self.state_names and key in states:
                here["squares"] = states[key][state_key].local_shards()
            parts = {(name, one.metadata.shard_offsets[0]): one.tensor for name, local in here.items() for one in local}
            for metadata in weights[key].metadata().shards_metadata:
                offset, num_rows = metadata.shard_offsets[0], metadata.shard_sizes[0]
                tensors = {name: parts[name, offset] for name in here if (name, offset) in parts}
                yield _Shard(metadata.placement.rank(), start + offset, num_rows, tensors)
            start += table.num_embeddings
