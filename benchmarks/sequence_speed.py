"""How fast models of sequences train, beside the common way: a row per prefix, whose last position alone is told apart.

Sizes are those of MovieLens-1M under the protocol of the HSTU authors (3,706 items, sequences of 200, 50 numbers, 2
blocks of one head). A step of SASRec and of HSTU learns all positions of 128 sequences; the reference is a transformer
of PyTorch's own layers over 128 prefixes. Measured in turn on as many threads as PyTorch takes; writes
`benchmarks/results/sequence_speed.json`.

    python -m benchmarks.sequence_speed
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from aisle.cli.hardware import describe_hardware
from aisle.data.item_lists import ItemLists
from aisle.data.list_splits import no_questions
from aisle.data.questions import ListSplit
from aisle.recipe.list_models.sequential import HstuSpec, ItemLossSpec, SasrecSpec, SequenceModelSpec
from aisle.train.lists.sequences import build_sequence_model
from benchmarks.sequence_scale import in_turn

RESULTS = Path(__file__).parent / "results"
NUM_ITEMS, LENGTH, DIM, BLOCKS, BATCH = 3706, 200, 50, 2, 128
DROPOUT, TEMPERATURE = 0.2, 0.05


class PrefixTransformer(nn.Module):
    """SASRec as it is commonly built: PyTorch's encoder layers, and a softmax behind the last position."""

    def __init__(self) -> None:
        super().__init__()
        self.items = nn.Embedding(NUM_ITEMS, DIM)
        self.positions = nn.Embedding(LENGTH, DIM)
        layer = nn.TransformerEncoderLayer(DIM, 1, DIM, DROPOUT, activation="gelu", batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, BLOCKS, enable_nested_tensor=False)
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(LENGTH), persistent=False)

    def loss(self, items_BT: Tensor, target_B: Tensor) -> Tensor:
        """The cross-entropy of what follows the last position."""
        embedded = self.items(items_BT) + self.positions.weight
        last_BD = self.encoder(embedded, mask=self.mask, is_causal=True)[:, -1]
        return nn.functional.cross_entropy(last_BD @ self.items.weight.T, target_B)


def prefix_step() -> Callable[[], object]:
    """A step of the common way."""
    torch.manual_seed(0)
    model = PrefixTransformer()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    items_BT = torch.randint(0, NUM_ITEMS, (BATCH, LENGTH))
    target_B = torch.randint(0, NUM_ITEMS, (BATCH,))

    def step() -> None:
        optimizer.zero_grad()
        model.loss(items_BT, target_B).backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return step


def our_step(kind: str, precision: str) -> Callable[[], object]:
    """A step of one of ours."""
    drawn = np.random.default_rng(0).integers(0, NUM_ITEMS, BATCH * (LENGTH + 1))
    lists = ItemLists.of_sizes(np.full(BATCH, LENGTH + 1), drawn)
    shared: dict[str, Any] = {
        "batch_size": BATCH,
        "dim": DIM,
        "max_length": LENGTH,
        "dropout": DROPOUT,
        "loss": ItemLossSpec(temperature=TEMPERATURE),
    }
    spec: SequenceModelSpec = HstuSpec(kind="hstu", num_layers=BLOCKS, **shared)
    if kind == "sasrec":
        spec = SasrecSpec(kind="sasrec", num_blocks=BLOCKS, **shared)
    trainee = build_sequence_model(spec, ListSplit(NUM_ITEMS, lists, no_questions(), no_questions()))
    batch = next(trainee.epoch(0))
    optimizer = torch.optim.AdamW(trainee.network.parameters(), lr=1e-3)

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            loss = trainee.loss(batch)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return step


def measure(num_turns: int) -> dict[str, Any]:
    """Sequences of 200 and told positions per second, by variant."""
    steps = {
        "prefix transformer, float32": prefix_step(),
        "sasrec, float32": our_step("sasrec", "float32"),
        "sasrec, bfloat16": our_step("sasrec", "bfloat16"),
        "hstu, float32": our_step("hstu", "float32"),
        "hstu, bfloat16": our_step("hstu", "bfloat16"),
    }
    found = {}
    for name, seconds in in_turn(steps, num_turns).items():
        told = 1 if name.startswith("prefix") else LENGTH
        found[name] = {
            "step_ms": round(1e3 * seconds, 1),
            "sequences_per_second": round(BATCH / seconds, 1),
            "told_positions_per_second": round(told * BATCH / seconds, 1),
        }
        print(name, found[name], flush=True)
    return found


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=7, help="of each variant")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the file is written")
    arguments = parser.parse_args()
    result = {
        "benchmark": "sequence_speed",
        "hardware": describe_hardware() | {"threads": torch.get_num_threads()},
        "sizes": {"items": NUM_ITEMS, "length": LENGTH, "dim": DIM, "blocks": BLOCKS, "batch": BATCH},
        "variants": measure(arguments.turns),
    }
    path = arguments.results / "sequence_speed.json"
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(path)


if __name__ == "__main__":
    main()
