"""From our embedding collections to TorchRec's sharded ones, whose tables lie on several ranks.

Names follow TorchRec's as they are, so little is converted: what is told of tables, the ids of a batch, and the rule by
which rows move, which FBGEMM's kernels apply within the backward pass. Large tables are divided by rows among all
ranks; the others are dealt out whole. Needs the extra ``scale`` and a process group.

Legend of shapes: B rows of a batch, S features.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torchrec
from fbgemm_gpu.split_embedding_configs import EmbOptimType
from torch import Tensor, distributed
from torchrec.distributed.comm_ops import set_gradient_division
from torchrec.distributed.embeddingbag import EmbeddingBagCollectionSharder, ShardedEmbeddingBagCollection
from torchrec.distributed.sharding_plan import construct_module_sharding_plan, row_wise, table_wise
from torchrec.distributed.types import ShardingEnv

from aisle.nn.tables import EmbeddingBagConfig
from aisle.train.engine.row_kernels import ADAGRAD_EPSILON
from aisle.train.engine.table_optimizers import TableRule

#: The rules that FBGEMM's CPU kernels apply as ours do.
_RULES: dict[TableRule, EmbOptimType] = {
    "row_wise_adagrad": EmbOptimType.EXACT_ROWWISE_ADAGRAD,
    "adagrad": EmbOptimType.EXACT_ADAGRAD,
    "sgd": EmbOptimType.EXACT_SGD,
}
_KERNEL = "fused"


def shard_tables(tables: Sequence[EmbeddingBagConfig], rule: TableRule) -> ShardedEmbeddingBagCollection:
    """Tables on all ranks of the process group, with weights that are not yet anything.

    Gradients are summed over ranks, not averaged: each rank gives its rows' part of one loss.

    Args:
        tables: Full ones, without bags.
        rule: How rows move.
    """
    set_gradient_division(False)
    collection = torchrec.EmbeddingBagCollection(
        tables=[
            torchrec.EmbeddingBagConfig(
                name=_name(number),
                num_embeddings=table.num_embeddings,
                embedding_dim=table.embedding_dim,
                feature_names=list(table.feature_names),
            )
            for number, table in enumerate(tables)
        ],
        device=torch.device("meta"),
    )
    fused = {"optimizer": _RULES[rule], "learning_rate": 0.0, "eps": ADAGRAD_EPSILON}
    num_ranks = distributed.get_world_size()
    places = place_tables([table.num_embeddings for table in tables], num_ranks)
    plan = construct_module_sharding_plan(
        collection,
        {
            _name(number): row_wise(compute_kernel=_KERNEL)
            if rank is None
            else table_wise(rank=rank, compute_kernel=_KERNEL)
            for number, rank in enumerate(places)
        },
        local_size=num_ranks,
        world_size=num_ranks,
        device_type="cpu",
    )
    environment = ShardingEnv.from_process_group(distributed.group.WORLD)
    return EmbeddingBagCollectionSharder(fused).shard(collection, plan, environment, torch.device("cpu"))


def place_tables(num_rows: Sequence[int], num_ranks: int) -> list[int | None]:
    """On which rank each table lies; ``None``: its rows are divided among all.

    Divided is what has more than one rank's fair share of all rows: no dealing of whole tables could balance it. Each
    other table costs a batch one vector per example, so ranks get as many of them; of two ranks with as many, the one
    with fewer rows gets the next largest.

    Args:
        num_rows: Of each table.
        num_ranks: At least 1.
    """
    places: list[int | None] = [None] * len(num_rows)
    load = [(0, 0, rank) for rank in range(num_ranks)]
    for rows, number in sorted(((rows, number) for number, rows in enumerate(num_rows)), reverse=True):
        every_rank_has_some = -(-rows // num_ranks) * (num_ranks - 1) < rows
        if rows * num_ranks > sum(num_rows) and every_rank_has_some:
            continue
        num_tables, rows_before, rank = min(load)
        load[rank] = (num_tables + 1, rows_before + rows, rank)
        places[number] = rank
    return places


def key_jagged(feature_names: Sequence[str], ids_BS: Tensor) -> torchrec.KeyedJaggedTensor:
    """Single-valued ids as TorchRec's jagged tensor: one id in each bag."""
    lengths = torch.ones(ids_BS.numel(), dtype=torch.int32)
    return torchrec.KeyedJaggedTensor(keys=list(feature_names), values=ids_BS.t().reshape(-1), lengths=lengths)


def weight_key(number: int) -> str:
    """What a sharded collection calls the weights of a table, in its own state and in its optimizer's."""
    return f"embedding_bags.{_name(number)}.weight"


def state_key_of(number: int) -> str:
    """What its optimizer calls a table's sums of squares."""
    return f"{_name(number)}.momentum1"


def _name(number: int) -> str:
    """A table's name there: ours may have dots, which names of torch's modules may not."""
    return f"table_{number}"
