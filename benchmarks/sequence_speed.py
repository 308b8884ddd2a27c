"""How fast SASRec and HSTU train, in the same run and at the same sizes as RecBole's SASRec.

RecBole has a row for each prefix of a sequence, padded to the full length, and tells what follows its last position.
Ours are measured twice: on the same rows, where they tell the last position alone too; and as they train, a row per
sequence that tells what follows every position. Shapes are those of MovieLens-1M under the protocol of the HSTU
authors, every sequence full of random items, and the training sequences of Amazon Beauty in S3-Rec's file. A pass goes
over some batches that were made before: forward, backward and the step of Adam, in turn, on as many threads as PyTorch
takes. Writes `benchmarks/results/sequence_speed.json`.

RecBole 1.2.1 wants old versions of small packages; without these wishes it comes by

    pip install --no-deps recbole==1.2.1
    pip install colorama colorlog pandas tensorboard texttable

    AISLE_DATA=/path/to/data python -m benchmarks.sequence_speed

Legend of shapes: B rows of a batch, T positions, E entries of all lists.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from aisle.cli.hardware import describe_hardware
from aisle.data.item_lists import ItemLists
from aisle.data.list_splits import split_lists
from aisle.data.questions import ListSplit, no_questions
from aisle.models.sequential.sequence_model import SequenceModel
from aisle.nn.full_softmax import full_softmax
from aisle.recipe.list_data import ListDataSpec
from aisle.recipe.list_models.sequential import HstuSpec, ItemLossSpec, SasrecSpec, SequenceModelSpec
from aisle.train.engine.allocator import keep_freed_memory
from aisle.train.lists.next_item import SequenceBatch
from aisle.train.lists.sequences import build_sequence_model
from benchmarks.sequence_peers import DROPOUT, LEARNING_RATE, Pass, Shape, Sizes, recbole_passes, step
from benchmarks.sequence_scale import in_turn

RESULTS = Path(__file__).parent / "results"
TEMPERATURE = 0.05
#: Of Amazon Beauty so many batches make a pass.
BATCHES = 12
BEAUTY: dict[str, Any] = {
    "train": "amazon_beauty_s3rec/sequences.parquet",
    "columns": {"user": "user_id", "items": "items"},
    "split": {"kind": "leave-one-out"},
}


def full_sequences(*, batch: int = 128, length: int = 200, items: int = 3706, dim: int = 50) -> Shape:
    """One batch of random items; its rows are the sequences themselves."""
    drawn = np.random.default_rng(0).integers(0, items, batch * (length + 1))
    lists = ItemLists.of_sizes(np.full(batch, length + 1), drawn)
    return Shape(Sizes(items, length, dim, heads=1, hidden=dim, blocks=2, batch=batch), lists, lists)


def amazon_beauty() -> Shape:
    """The training sequences and all their prefixes; sizes of the networks are RecBole's own."""
    split, _ = split_lists(ListDataSpec(**BEAUTY))
    sizes = Sizes(split.num_items, 50, 64, heads=2, hidden=256, blocks=2, batch=256)
    return Shape(sizes, split.train, prefixes(split.train))


def prefixes(lists: ItemLists) -> ItemLists:
    """For each item but the first of a list: what came before it, and itself."""
    place_E = lists.position_E
    is_told_E = place_E > 0
    return lists.take(lists.list_E[is_told_E]).first(place_E[is_told_E] + 1)


def our_pass(kind: str, precision: str, shape: Shape, *, tells_every: bool) -> Pass:
    """One of ours; batches of an epoch from the shortest to the longest, evenly spaced."""
    lists = shape.lists if tells_every else shape.rows
    trainee = build_sequence_model(
        _spec(kind, shape.sizes), ListSplit(shape.sizes.items, lists, no_questions(), no_questions())
    )
    epoch = sorted(trainee.epoch(0), key=lambda batch: batch.items_BT.numel())
    count = min(BATCHES, len(epoch))
    batches = [epoch[(2 * number + 1) * len(epoch) // (2 * count)] for number in range(count)]
    optimizer = torch.optim.AdamW(trainee.network.parameters(), lr=LEARNING_RATE)
    loss_of = trainee.loss if tells_every else partial(last_loss, trainee.network)

    def run() -> None:
        for batch in batches:
            step(optimizer, partial(loss_of, batch), precision == "bfloat16")

    rows = sum(len(batch.items_BT) for batch in batches)
    told = sum(int((batch.targets_BT >= 0).sum()) for batch in batches)
    return Pass(run, count, rows, told if tells_every else rows)


def last_loss(network: SequenceModel, batch: SequenceBatch) -> Tensor:
    """The softmax over all items behind the last position of each row."""
    last_B = (batch.targets_BT >= 0).sum(1) - 1
    targets_B = batch.targets_BT.gather(1, last_B[:, None])[:, 0]
    queries_BD = network.last_queries(network.embed(batch.items_BT), last_B).float()
    return full_softmax(queries_BD, network.item_vectors(), targets_B, TEMPERATURE)


def _spec(kind: str, sizes: Sizes) -> SequenceModelSpec:
    shared: dict[str, Any] = {
        "batch_size": sizes.batch,
        "dim": sizes.dim,
        "num_heads": sizes.heads,
        "max_length": sizes.length,
        "dropout": DROPOUT,
        "loss": ItemLossSpec(temperature=TEMPERATURE),
    }
    if kind == "hstu":
        return HstuSpec(kind="hstu", num_layers=sizes.blocks, **shared)
    return SasrecSpec(kind="sasrec", num_blocks=sizes.blocks, hidden=sizes.hidden, **shared)


def measure(shape: Shape, num_turns: int, peers: Mapping[str, Pass]) -> dict[str, Any]:
    """What each does in a second, by variant."""
    passes = dict(peers)
    for kind in ("sasrec", "hstu"):
        for precision in ("float32", "bfloat16"):
            for name, tells_every in (("last position", False), ("every position", True)):
                passes[f"{kind}, {precision}, {name}"] = our_pass(kind, precision, shape, tells_every=tells_every)
    found = {}
    for name, seconds in in_turn({name: one.run for name, one in passes.items()}, num_turns).items():
        one = passes[name]
        found[name] = {
            "step_ms": round(1e3 * seconds / one.num_batches, 1),
            "sequences_per_second": round(one.rows / seconds, 1),
            "told_positions_per_second": round(one.told / seconds, 1),
        }
        print(f"{name:52}", *found[name].values(), flush=True)
    return {"sizes": asdict(shape.sizes), "rows": len(shape.rows), "variants": found}


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=5, help="of each variant")
    parser.add_argument("--ours-alone", action="store_true", help="without RecBole")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the file is written")
    arguments = parser.parse_args()
    keep_freed_memory()  # as training does; it serves RecBole too
    shapes = {"full": full_sequences(), "amazon-beauty": amazon_beauty()}
    try:
        peers = {name: {} if arguments.ours_alone else recbole_passes(shape) for name, shape in shapes.items()}
    except ImportError as error:
        parser.error(f"expected RecBole, received: {error}; install it as --help says, or go --ours-alone")
    result = {
        "benchmark": "sequence_speed",
        "hardware": describe_hardware() | {"threads": torch.get_num_threads()},
        "shapes": {name: measure(shape, arguments.turns, peers[name]) for name, shape in shapes.items()},
    }
    path = arguments.results / "sequence_speed.json"
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(path)


if __name__ == "__main__":
    main()
