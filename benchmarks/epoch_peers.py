"""What other libraries do in an epoch over rows of clicks, each as its authors or its documentation train it.

Every function gives what runs one epoch; it raises ImportError where its library is not installed.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Epoch = Callable[[], None]
Peer = Callable[["Rows", Path | None], Epoch]
EMBEDDING_DIM = 16
DENSE_LAYERS = [512, 256, 64, EMBEDDING_DIM]
OVER_LAYERS = [512, 256, 1]
DEEP_LAYERS = [256, 128]
LEARNING_RATE = 1e-3


@dataclass(frozen=True)
class Rows:
    """The rows to learn from.

    Attributes:
        dense_RN: Numbers.
        sparse_RS: Ids.
        label_R: 0 or 1.
        table_sizes: How many ids each column has.
        batch_size: Rows of a step.
    """

    dense_RN: NDArray[np.float32]
    sparse_RS: NDArray[np.int64]
    label_R: NDArray[np.float32]
    table_sizes: list[int]
    batch_size: int

    def batches(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Numbers [B, N], ids [B, S] and labels [B], in a random order."""
        tensors = [torch.from_numpy(array) for array in (self.dense_RN, self.sparse_RS, self.label_R)]
        for places in torch.randperm(len(self.label_R)).split(self.batch_size):
            dense, sparse, label = (tensor[places] for tensor in tensors)
            yield dense, sparse, label


def deepctr_deepfm(rows: Rows, _: Path | None) -> Epoch:
    """DeepFM of DeepCTR-Torch, by its own ``fit``."""
    from deepctr_torch.inputs import DenseFeat, SparseFeat
    from deepctr_torch.models import DeepFM

    columns: list[Any] = [SparseFeat(f"C{s}", size, EMBEDDING_DIM) for s, size in enumerate(rows.table_sizes)]
    columns += [DenseFeat(f"I{n}", 1) for n in range(rows.dense_RN.shape[1])]
    values = {f"C{s}": rows.sparse_RS[:, s] for s in range(len(rows.table_sizes))}
    values |= {f"I{n}": rows.dense_RN[:, n] for n in range(rows.dense_RN.shape[1])}
    model = DeepFM(columns, columns, dnn_hidden_units=DEEP_LAYERS)
    model.compile("adam", "binary_crossentropy")

    def epoch() -> None:
        model.fit(values, rows.label_R[:, None], batch_size=rows.batch_size, epochs=1, verbose=0)

    return epoch


def fuxictr_dcn_v2(rows: Rows, _: Path | None) -> Epoch:
    """DCN v2 of FuxiCTR's layers, with Adam."""
    from fuxictr.pytorch.layers import CrossNetV2, MLP_Block

    size = len(rows.table_sizes) * EMBEDDING_DIM + rows.dense_RN.shape[1]

    class Dcn(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tables = nn.ModuleList(nn.Embedding(num_ids, EMBEDDING_DIM) for num_ids in rows.table_sizes)
            self.cross = CrossNetV2(size, 3)
            self.deep = MLP_Block(input_dim=size, hidden_units=DEEP_LAYERS, hidden_activations="ReLU")
            self.out = nn.Linear(size + DEEP_LAYERS[-1], 1)

        def forward(self, dense: Tensor, sparse: Tensor) -> Tensor:
            vectors = [table(sparse[:, s]) for s, table in enumerate(self.tables)]
            inputs = torch.cat([*vectors, dense], dim=1)
            logits: Tensor = self.out(torch.cat([self.cross(inputs), self.deep(inputs)], dim=1))
            return logits[:, 0]

    return _with_adam(Dcn(), rows)


def fuxictr_dlrm(rows: Rows, _: Path | None) -> Epoch:
    """DLRM of FuxiCTR's layers, with Adam."""
    from fuxictr.pytorch.layers import InnerProductInteraction, MLP_Block

    num_fields = len(rows.table_sizes) + 1

    class Dlrm(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tables = nn.ModuleList(nn.Embedding(num_ids, EMBEDDING_DIM) for num_ids in rows.table_sizes)
            self.dense = MLP_Block(
                input_dim=rows.dense_RN.shape[1],
                hidden_units=DENSE_LAYERS[:-1],
                output_dim=EMBEDDING_DIM,
                output_activation="ReLU",
            )
            self.pairs = InnerProductInteraction(num_fields, output="inner_product")
            self.over = MLP_Block(
                input_dim=EMBEDDING_DIM + num_fields * (num_fields - 1) // 2,
                hidden_units=OVER_LAYERS[:-1],
                output_dim=1,
            )

        def forward(self, dense: Tensor, sparse: Tensor) -> Tensor:
            first = self.dense(dense)
            vectors = torch.stack([first, *(table(sparse[:, s]) for s, table in enumerate(self.tables))], dim=1)
            logits: Tensor = self.over(torch.cat([first, self.pairs(vectors)], dim=1))
            return logits[:, 0]

    return _with_adam(Dlrm(), rows)


def facebook_dlrm(rows: Rows, folder: Path | None) -> Epoch:
    """DLRM of facebookresearch/dlrm, with its sparse SGD."""
    model = facebook_network(folder, rows.table_sizes, rows.dense_RN.shape[1])
    optimizer, loss = torch.optim.SGD(model.parameters(), lr=0.1), nn.BCELoss()

    def epoch() -> None:
        for dense, sparse, label in rows.batches():
            offsets = [torch.arange(len(label))] * len(rows.table_sizes)
            predicted = model(dense, offsets, [column.contiguous() for column in sparse.T])
            optimizer.zero_grad()
            loss(predicted[:, 0], label).backward()
            optimizer.step()

    return epoch


def facebook_network(folder: Path | None, table_sizes: list[int], num_dense: int) -> nn.Module:
    """The network of facebookresearch/dlrm: of numbers [B, N], offsets and ids [B] of each table, probabilities."""
    if folder is None:
        raise ImportError("no clone of facebookresearch/dlrm was named")
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    # It imports a writer of curves that it does not use here.
    sys.modules.setdefault("torch.utils.tensorboard", types.ModuleType("torch.utils.tensorboard")).__dict__.setdefault(
        "SummaryWriter", object
    )
    from dlrm_s_pytorch import DLRM_Net

    num_vectors = len(table_sizes) + 1
    over = [EMBEDDING_DIM + num_vectors * (num_vectors - 1) // 2, *OVER_LAYERS]
    network: nn.Module = DLRM_Net(
        EMBEDDING_DIM,
        np.array(table_sizes),
        np.array([num_dense, *DENSE_LAYERS]),
        np.array(over),
        arch_interaction_op="dot",
        sigmoid_bot=-1,
        sigmoid_top=len(over) - 2,
        ndevices=-1,
        loss_function="bce",
    )
    return network


def _with_adam(model: nn.Module, rows: Rows) -> Epoch:
    optimizer, loss = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE), nn.BCEWithLogitsLoss()

    def epoch() -> None:
        for dense, sparse, label in rows.batches():
            optimizer.zero_grad()
            loss(model(dense, sparse), label).backward()
            optimizer.step()

    return epoch


#: By model: its peers.
PEERS: dict[str, dict[str, Peer]] = {
    "dlrm": {"facebookresearch/dlrm, SGD": facebook_dlrm, "FuxiCTR's layers, Adam": fuxictr_dlrm},
    "dcn-v2": {"FuxiCTR's layers, Adam": fuxictr_dcn_v2},
    "deepfm": {"DeepCTR-Torch, Adam": deepctr_deepfm},
}
