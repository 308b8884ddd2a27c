"""Quality on UCI Online Retail: the recipe `shop` and the baselines on three rolling windows, and the serving latency.

The whole public way: prepare, import, train, evaluate, serve. Writes `benchmarks/results/online_retail.json` and
`benchmarks/results/serve_online_retail.json`, from which `make docs` fills the README's table.

    AISLE_DATA=/path/to/data python -m benchmarks.online_retail
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from aisle import recipe as recipes
from aisle.assemble import shop_fitters
from aisle.cli.evaluate import evaluate_run
from aisle.cli.hardware import describe_hardware
from aisle.cli.progress import show_progress
from aisle.data import datasets
from aisle.ingest import import_files
from aisle.train.session import train_in_workspace
from aisle.workspace import Workspace

RESULTS = Path(__file__).parent / "results"


def measure(directory: Path, overrides: list[str]) -> dict[str, Any]:
    """Train and evaluate in a new workspace; the report with what it took."""
    workspace = Workspace.create(directory)
    recipe = recipes.load("shop", ["windows.test=3", *overrides])
    with closing(workspace.open_store()) as store, show_progress() as progress:
        paths = datasets.write_canonical(datasets.load(datasets.get("online_retail"), progress), directory / "files")
        for kind in ("items", "events"):
            import_files(store, workspace.imports, kind, [paths[kind]], progress=progress)
        started = time.perf_counter()
        result = train_in_workspace(workspace, store, recipe, shop_fitters(recipe), progress=progress)
        trained = time.perf_counter()
        report = evaluate_run(store, result.run, "all", True, progress)
    return {
        "benchmark": "online_retail",
        "rerun": "AISLE_DATA=/path/to/data python -m benchmarks.online_retail",
        "recipe": recipes.dump(recipe),
        "hardware": describe_hardware(),
        "seconds": {"train": round(trained - started, 1), "evaluate": round(time.perf_counter() - trained, 1)},
        "model_bytes": result.metrics["model_bytes"],
        "report": report,
    }


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--set", dest="overrides", action="append", default=[], help="override one value of the recipe")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="aisle-bench-") as folder:
        directory = Path(folder) / "shop"
        _write("online_retail", measure(directory, arguments.overrides))
        bench = [sys.executable, "-m", "aisle", "-C", str(directory), "bench", "serve", "--requests", "3000", "--json"]
        _write("serve_online_retail", json.loads(subprocess.run(bench, check=True, capture_output=True).stdout))


def _write(name: str, result: dict[str, Any]) -> None:
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(path)


if __name__ == "__main__":
    main()
