"""What an HSTU layer costs as sequences grow, and M-FALCON as candidates do, each beside what it stands in for.

One training step (forward and backward) of an HSTU layer beside one transformer block of the same width, for sequences
of 128 to 8,192 positions; and scoring candidates behind one history in one pass beside one pass for each. Times are
medians of turns taken in turn, on one thread. Writes `benchmarks/results/sequence_scale.json`.

    python -m benchmarks.sequence_scale
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from aisle.cli.hardware import describe_hardware
from aisle.models.sequential.hstu_ranker import HSTURanker
from aisle.nn.sequences.hstu import HSTULayer
from aisle.nn.sequences.transformer import TransformerBlock

RESULTS = Path(__file__).parent / "results"
DIM, HEADS = 64, 2
LENGTHS = (128, 256, 512, 1024, 2048, 4096, 8192)
#: Positions of a step in all: the longer the sequences, the fewer.
POSITIONS = 16_384
CANDIDATES = (1, 4, 16, 64, 256, 1024)
HISTORY_ITEMS = 256
ITEMS = 10_000


def measure_lengths(lengths: tuple[int, ...], num_turns: int) -> list[dict[str, Any]]:
    """Microseconds of a training step per position, by length."""
    found = []
    for length in lengths:
        generator = torch.Generator().manual_seed(0)
        head = DIM // HEADS
        blocks: dict[str, nn.Module] = {
            "hstu": HSTULayer(
                DIM,
                num_heads=HEADS,
                query_dim=head,
                value_dim=head,
                max_length=length,
                dropout=0.0,
                generator=generator,
            ),
            "transformer": TransformerBlock(DIM, num_heads=HEADS, hidden=4 * DIM, dropout=0.0, generator=generator),
        }
        inputs = torch.randn(max(1, POSITIONS // length), length, DIM, generator=generator)
        steps = {name: _step_of(block, inputs) for name, block in blocks.items()}
        seconds = in_turn(steps, num_turns)
        per_position = {name: round(1e6 * value / inputs.shape[0] / length, 3) for name, value in seconds.items()}
        found.append({"length": length, "sequences": len(inputs), "microseconds_per_position": per_position})
        print(found[-1], flush=True)
    return found


def measure_candidates(numbers: tuple[int, ...], num_turns: int) -> list[dict[str, Any]]:
    """Milliseconds to score so many candidates behind one history."""
    generator = torch.Generator().manual_seed(0)
    model = HSTURanker(
        ITEMS, 4, DIM, max_items=HISTORY_ITEMS + 1, num_layers=2, num_heads=HEADS, dropout=0.0, generator=generator
    ).eval()
    items = torch.randint(0, ITEMS, (1, HISTORY_ITEMS), generator=generator)
    actions = torch.randint(0, 4, (1, HISTORY_ITEMS), generator=generator)
    found = []
    for number in numbers:
        candidates = torch.randint(0, ITEMS, (1, number), generator=generator)
        steps: dict[str, Callable[[], object]] = {
            "m_falcon": lambda shown=candidates: model.score_candidates(items, actions, shown),
            "one_by_one": lambda shown=candidates: [_score_one(model, items, actions, one) for one in shown[0]],
        }
        with torch.inference_mode():
            seconds = in_turn(steps, num_turns if number < 256 else 3)
        found.append({"candidates": number, "milliseconds": {name: round(1e3 * s, 3) for name, s in seconds.items()}})
        print(found[-1], flush=True)
    return found


def in_turn(steps: Mapping[str, Callable[[], object]], num_turns: int) -> dict[str, float]:
    """The median seconds of each, measured side by side after one turn to warm up."""
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for turn in range(num_turns + 1):
        for name, step in steps.items():
            started = time.perf_counter()
            step()
            if turn:
                seconds[name].append(time.perf_counter() - started)
    return {name: float(np.median(values)) for name, values in seconds.items()}


def _step_of(block: nn.Module, inputs: Tensor) -> Callable[[], object]:
    def step() -> None:
        block.zero_grad()
        block(inputs).square().mean().backward()

    return step


def _score_one(model: HSTURanker, items: Tensor, actions: Tensor, candidate: Tensor) -> Tensor:
    """The candidate behind the whole history, passed through anew."""
    followed = torch.cat([items, candidate.view(1, 1)], 1)
    logits: Tensor = model(followed, torch.cat([actions, actions[:, :1]], 1))[:, -1]
    return logits


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=5, help="of each measurement")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the file is written")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    result = {
        "benchmark": "sequence_scale",
        "hardware": describe_hardware() | {"threads": 1},
        "sizes": {"dim": DIM, "heads": HEADS, "history_items": HISTORY_ITEMS, "layers_of_the_ranker": 2},
        "lengths": measure_lengths(LENGTHS, arguments.turns),
        "candidates": measure_candidates(CANDIDATES, arguments.turns),
    }
    path = arguments.results / "sequence_scale.json"
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(path)


if __name__ == "__main__":
    main()
