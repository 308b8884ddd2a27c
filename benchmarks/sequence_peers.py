"""SASRec of RecBole as a peer of ours, and what both are measured on.

Legend of shapes: B rows of a batch, T positions.
"""

from __future__ import annotations

import importlib
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from aisle.data.item_lists import ItemLists

DROPOUT, LEARNING_RATE = 0.2, 1e-3
RECBOLE, UNWATCHED = "RecBole's SASRec", "RecBole's SASRec, anomaly detection turned off"
#: So many batches make a pass; its rows all cost the same.
BATCHES = 2


@dataclass(frozen=True)
class Sizes:
    """Of the data and of the networks; ``hidden`` is the width of a block's two-layer network (HSTU has none)."""

    items: int
    length: int
    dim: int
    heads: int
    hidden: int
    blocks: int
    batch: int


@dataclass(frozen=True)
class Shape:
    """Sequences, and rows whose last item alone is sought."""

    sizes: Sizes
    lists: ItemLists
    rows: ItemLists


@dataclass(frozen=True)
class Pass:
    """What runs over some batches once, and the rows and told positions of these."""

    run: Callable[[], object]
    num_batches: int
    rows: int
    told: int


def recbole_passes(shape: Shape) -> dict[str, Pass]:
    """RecBole's network as its package runs it, and at its best; float32.

    Importing RecBole 1.2.1 turns on PyTorch's detection of anomalies, which looks for NaN behind each operation of each
    backward pass. The second variant turns it off.

    Raises:
        ImportError: RecBole is not installed.
    """
    network_of = importlib.import_module("recbole.model.sequential_recommender").SASRec
    torch.autograd.set_detect_anomaly(False)  # for ours
    sizes = shape.sizes
    drawn = np.random.default_rng(0).permutation(len(shape.rows))[: BATCHES * sizes.batch]
    batches = [
        padded_rows(shape.rows.take(places), sizes.length) for places in np.split(drawn, len(drawn) // sizes.batch)
    ]

    def passing(is_watched: bool) -> Pass:
        torch.manual_seed(0)
        network = network_of(_recbole_settings(sizes), SimpleNamespace(num=lambda field: sizes.items + 1))
        optimizer = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE)

        def run() -> None:
            with torch.autograd.set_detect_anomaly(is_watched):
                for batch in batches:
                    step(optimizer, partial(network.calculate_loss, batch))

        return Pass(run, len(batches), len(drawn), len(drawn))

    return {RECBOLE: passing(True), UNWATCHED: passing(False)}


def _recbole_settings(sizes: Sizes) -> Mapping[str, Any]:
    told = {
        "USER_ID_FIELD": "user_id",
        "ITEM_ID_FIELD": "item_id",
        "LIST_SUFFIX": "_list",
        "ITEM_LIST_LENGTH_FIELD": "item_length",
        "NEG_PREFIX": "neg_",
        "MAX_ITEM_LIST_LENGTH": sizes.length,
        "device": "cpu",
        "n_layers": sizes.blocks,
        "n_heads": sizes.heads,
        "hidden_size": sizes.dim,
        "inner_size": sizes.hidden,
        "hidden_dropout_prob": DROPOUT,
        "attn_dropout_prob": DROPOUT,
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-12,
        "initializer_range": 0.02,
        "loss_type": "CE",
    }
    return defaultdict(lambda: None, told)  # it asks for settings of other models too


def padded_rows(rows: ItemLists, length: int) -> dict[str, Tensor]:
    """As RecBole has it: items from 1, 0 behind a row."""
    last = rows.last(length + 1)
    read_BT = torch.from_numpy(last.without_last(1).padded(length).astype(np.int64) + 1)
    sought_B = torch.from_numpy(last.last(1).items_E.astype(np.int64) + 1)
    return {"item_id_list": read_BT, "item_length": (read_BT > 0).sum(1), "item_id": sought_B}


def step(optimizer: torch.optim.Optimizer, loss_of: Callable[[], Tensor], is_bfloat16: bool = False) -> None:
    """One step of training on a batch."""
    optimizer.zero_grad()
    with torch.autocast("cpu", torch.bfloat16, enabled=is_bfloat16):
        loss = loss_of()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
