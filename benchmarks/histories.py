"""Rankers over a history on MovieLens-1M: what attention and the order of what was liked are worth beside a mean.

Each user's ratings in their own time: 80 % to learn from, 10 % to choose by, 10 % to test. Writes
`benchmarks/results/histories.json`; a run that is kept is not made again.

    python -m benchmarks.histories --seeds 0,1 --keep DIR
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from aisle.cli.hardware import describe_hardware
from benchmarks.criteo import summarize, train_entry
from benchmarks.criteo_models import Entry

RESULTS = Path(__file__).parent / "results"
RECIPE = "ml-1m-din"
REFERENCE = "mean of the history"
HISTORIES = "histories: {movie_id: [history_1..history_20]}, length_column: history_length"


def _model(fields: str) -> Entry:
    return Entry(RECIPE, (f"model={{{fields}, {HISTORIES}}}",))


MODELS = {
    REFERENCE: _model("kind: din, pooling: mean"),
    "din": Entry(RECIPE),
    "bst": _model("kind: bst"),
    "dien": _model("kind: dien"),
    "dien, without its auxiliary loss": _model("kind: dien, auxiliary_weight: 0"),
}


def measure(names: Sequence[str], seeds: Sequence[int], directory: Path) -> dict[str, Any]:
    """Train models, and compare each with the mean of the history."""
    runs = {}
    for name in dict.fromkeys([REFERENCE, *names]):
        print(f"{name} ...", flush=True)
        runs[name] = train_entry(MODELS[name], directory / name.replace(", ", "-").replace(" ", "-"), seeds)
    under = f"--seeds {','.join(map(str, seeds))} -o OUT"
    return {
        name: summarize(run, {"mean": runs[REFERENCE]}) | {"command": MODELS[name].command(under)}
        for name, run in runs.items()
    }


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", type=lambda text: text.split(";"), help="models, between ;")
    parser.add_argument("--seeds", type=lambda text: [int(part) for part in text.split(",")], default=[0, 1])
    parser.add_argument("--keep", type=Path, help="a directory that keeps the runs, to go on from")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the file is written")
    arguments = parser.parse_args()
    kept = nullcontext(arguments.keep) if arguments.keep else tempfile.TemporaryDirectory(prefix="aisle-histories-")
    with kept as folder:
        methods = measure(arguments.only or list(MODELS), arguments.seeds, Path(folder))
    result = {
        "benchmark": "histories",
        "protocol": "the first 80 % of each user's ratings train, the next 10 % validate, the last 10 % test",
        "hardware": describe_hardware(),
        "seeds": arguments.seeds,
        "reference": REFERENCE,
        "methods": methods,
    }
    path = arguments.results / "histories.json"
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(path)


if __name__ == "__main__":
    main()
