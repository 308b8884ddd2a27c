"""HSTU as a ranker of actions on MovieLens-1M: will a user rate the last movie 4 or 5, beside means and a regression.

Writes `benchmarks/results/actions.json`; a run that is kept is not made again, and one that was interrupted goes on.

    AISLE_DATA=/path/to/data python -m benchmarks.actions --keep DIR
"""

from __future__ import annotations

import argparse
import json
import tempfile
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from aisle.cli.hardware import describe_hardware
from aisle.recipe import ActionRecipe, load
from aisle.train.lists.action_run import train_action_recipe

RESULT = Path(__file__).parent / "results" / "actions.json"
RECIPE = "ml-1m-hstu-ranker"


def measure(output: Path) -> dict[str, Any]:
    """Train the recipe; gives what its run says of the model and of the baselines."""
    recipe = load(RECIPE)
    assert isinstance(recipe, ActionRecipe), f"{RECIPE} is a recipe of actions"
    metrics = train_action_recipe(recipe, output, resume=output.is_dir()).read_metrics()
    told = ("model", "seed", "parameters", "model_bytes", "metrics", "intervals", "baselines")
    return {name: metrics[name] for name in told}


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", type=Path, help="a directory that keeps the run, to go on from")
    arguments = parser.parse_args()
    kept = nullcontext(arguments.keep) if arguments.keep else tempfile.TemporaryDirectory(prefix="aisle-actions-")
    with kept as folder:
        found = measure(Path(folder) / RECIPE)
    result = {"benchmark": "actions", "command": f"aisle train {RECIPE}", "hardware": describe_hardware()} | found
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(RESULT)


if __name__ == "__main__":
    main()
