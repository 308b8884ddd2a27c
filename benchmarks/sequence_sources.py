"""What a source of sequences costs a request of a shop: one history, all items of a catalogue scored, on one core.

The models are untrained, for weights do not change the time; sizes are the defaults of recipes, of a history the last
50 items are read. Times are those of the processor, median and 95th percentile over the requests. Writes
`benchmarks/results/sequence_sources.json`.

    python -m benchmarks.sequence_sources
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from aisle.cli.hardware import describe_hardware
from aisle.data.item_lists import ItemLists
from aisle.data.questions import ListSplit, no_questions
from aisle.pipeline import Query
from aisle.pipeline.generators import SequenceGenerator
from aisle.recipe.generators import SequenceSpec
from aisle.schema import DAY_MS
from aisle.train.lists.shop_sequences import ACTIONS, build_source, export_source

RESULT = Path(__file__).parent / "results" / "sequence_sources.json"
SPECS: TypeAdapter[SequenceSpec] = TypeAdapter(SequenceSpec)
LENGTH = 50
KINDS: dict[str, dict[str, Any]] = {
    "sasrec": {"kind": "sasrec", "max_length": LENGTH},
    "gru4rec": {"kind": "gru4rec", "max_length": LENGTH},
    "din": {"kind": "din", "max_length": LENGTH},
    "din, the unit of the paper": {"kind": "din", "max_length": LENGTH, "attention_layers": [80, 40]},
    "bst": {"kind": "bst", "max_length": LENGTH},
    "dien": {"kind": "dien", "max_length": LENGTH},
    "hstu-ranker": {"kind": "hstu-ranker", "max_length": LENGTH},
}


def measure(model: dict[str, Any], num_items: int, num_requests: int) -> dict[str, float]:
    """Milliseconds of requests to a source over so many items."""
    spec = SPECS.validate_python({"kind": "sequence", "model": model})
    draw = np.random.default_rng(0)
    eligible_V = np.arange(num_items + 2) >= 2
    lists = ItemLists.of([np.flatnonzero(eligible_V)])
    lists = replace(lists, actions_E=np.ones(num_items, np.int32))
    split = ListSplit(len(eligible_V), lists, no_questions(), no_questions(), actions=ACTIONS)
    scorer = export_source(build_source(spec, split), eligible_V)
    generator = SequenceGenerator("next", scorer, temperature=spec.model.loss.temperature)
    times = []
    for _ in range(num_requests):
        rows = draw.integers(2, num_items + 2, LENGTH)
        query = Query.of_items(rows, now_ms=DAY_MS, num_rows=num_items + 2)
        started = time.thread_time()
        generator.candidates(query, 300, eligible_V)
        times.append(1000 * (time.thread_time() - started))
    warm = times[num_requests // 10 :]
    return {"median_ms": round(float(np.median(warm)), 2), "p95_ms": round(float(np.quantile(warm, 0.95)), 2)}


def main() -> None:
    """Measure each kind over each catalogue and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, nargs="+", default=[3900, 20_000], help="sizes of catalogues")
    parser.add_argument("--requests", type=int, default=60)
    options = parser.parse_args()
    found = {
        kind: {str(num_items): measure(model, num_items, options.requests) for num_items in options.items}
        for kind, model in KINDS.items()
    }
    document = {
        "history": LENGTH,
        "requests": options.requests,
        "sources": {kind: {"model": KINDS[kind], "items": times} for kind, times in found.items()},
        "hardware": describe_hardware(),
    }
    RESULT.write_text(json.dumps(document, indent=1) + "\n", "utf-8")
    print(RESULT)


if __name__ == "__main__":
    main()
