"""`aisle bench train` with other libraries in the same run: facebookresearch/dlrm, and TorchRec's fused tables.

Each library trains its own DLRM of the same sizes, in float32, on the same batches in turn. Needs the extra `scale` and
a clone of facebookresearch/dlrm. Writes `benchmarks/results/train_speed.json`.

    python -m benchmarks.step_speed --dlrm-folder CLONE
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn
from torch.nn import functional

from aisle.cli.hardware import describe_hardware
from aisle.studies import train_speed
from aisle.studies.train_speed import SpeedSettings
from aisle.train.engine.batches import Batch
from benchmarks.epoch_peers import DENSE_LAYERS, EMBEDDING_DIM, OVER_LAYERS, facebook_network

RESULTS = Path(__file__).parent / "results"
LEARNING_RATE = 0.01
Step = Callable[[Batch], object]


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dlrm-folder", type=Path, required=True, help="a clone of facebookresearch/dlrm")
    parser.add_argument("--turns", type=int, default=30)
    parser.add_argument("--table-rows", type=int, default=SpeedSettings().table_rows)
    parser.add_argument("-o", "--out", type=Path, default=RESULTS / "train_speed.json")
    arguments = parser.parse_args()
    peers = {
        "facebookresearch/dlrm SGD": partial(facebook_step, arguments.dlrm_folder, "sgd"),
        "facebookresearch/dlrm row-wise Adagrad": partial(facebook_step, arguments.dlrm_folder, "row-wise"),
        "TorchRec fused": torchrec_step,
    }
    train_speed.VARIANTS.update(peers)
    settings = SpeedSettings(num_turns=arguments.turns, table_rows=arguments.table_rows)
    result: dict[str, Any] = train_speed.measure_training_speed(settings) | {"hardware": describe_hardware()}
    result["peers"] = {name: result["variants"].pop(name) for name in peers}
    for name, one in {**result["variants"], **result["peers"]}.items():
        print(f"{name:40} {one['median_ms']:7.1f} ms {one['times_ours']:6.2f} times ours")
    arguments.out.write_text(json.dumps(result, indent=1) + "\n")


def facebook_step(folder: Path, rule: Literal["sgd", "row-wise"], settings: SpeedSettings) -> Step:
    """A step of facebookresearch/dlrm, with PyTorch's SGD or its own row-wise Adagrad."""
    model = facebook_network(folder, [settings.table_rows] * settings.num_tables, settings.num_dense)
    from optim.rwsadagrad import RWSAdagrad

    rules = {"sgd": torch.optim.SGD, "row-wise": RWSAdagrad}
    optimizer, loss_of = rules[rule](model.parameters(), lr=LEARNING_RATE), nn.BCELoss()

    def step(batch: Batch) -> float:
        ids_BS = batch.sparse_BS.long()
        offsets = [torch.arange(len(ids_BS))] * settings.num_tables
        predicted = model(batch.dense_BN, offsets, [column.contiguous() for column in ids_BS.T])
        loss = loss_of(predicted[:, 0], batch.label_B)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    return step


def torchrec_step(settings: SpeedSettings) -> Step:
    """A step of TorchRec's DLRM with FBGEMM's tables, whose row-wise Adagrad is part of the backward pass."""
    from torchrec import EmbeddingBagConfig, KeyedJaggedTensor
    from torchrec.models.dlrm import DLRM
    from torchrec.modules.fused_embedding_modules import FusedEmbeddingBagCollection
    from torchrec.optim import RowWiseAdagrad

    names = [f"f{number}" for number in range(settings.num_tables)]
    tables = FusedEmbeddingBagCollection(
        tables=[
            EmbeddingBagConfig(
                name=f"t_{name}",
                embedding_dim=EMBEDDING_DIM,
                num_embeddings=settings.table_rows,
                feature_names=[name],
            )
            for name in names
        ],
        optimizer_type=RowWiseAdagrad,
        optimizer_kwargs={"lr": LEARNING_RATE},
        device=torch.device("cpu"),
    )
    model = DLRM(tables, settings.num_dense, DENSE_LAYERS, OVER_LAYERS)
    of_tables = {id(parameter) for parameter in tables.parameters()}
    dense = [parameter for parameter in model.parameters() if id(parameter) not in of_tables]
    optimizer = torch.optim.Adagrad(dense, lr=LEARNING_RATE, fused=True)
    lengths = torch.ones(settings.num_tables * settings.batch_size, dtype=torch.int64)

    def step(batch: Batch) -> float:
        ids = KeyedJaggedTensor(keys=names, values=batch.sparse_BS.T.reshape(-1).long(), lengths=lengths)
        loss = functional.binary_cross_entropy_with_logits(model(batch.dense_BN, ids)[:, 0], batch.label_B)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    return step


if __name__ == "__main__":
    main()
