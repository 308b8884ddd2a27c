"""Recommenders over lists under published protocols: what each reaches, beside strong simple ones and the papers.

Trains by the recipes that come with Aisle, each method in a run directory below `--runs`, where what is finished is not
trained again, and writes what was found to `benchmarks/results/lists.json`. Differences are paired over the same test
questions. What was written of a method stays where its run is not there any more.

    AISLE_DATA=/path/to/data python -m benchmarks.lists --only ml-1m gowalla
    python -m benchmarks.lists --only ml-1m --methods sasrec
    python -m benchmarks.lists --runs runs --collect
"""

from __future__ import annotations

import argparse
import json
import shlex
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from aisle.cli.hardware import describe_hardware
from aisle.errors import DataError
from aisle.metrics import paired_bootstrap
from aisle.recipe import ListRecipe, load
from aisle.train.lists.directory import ListDirectory, is_list_run
from aisle.train.lists.registry import fit_lists
from aisle.train.lists.run import train_list_recipe
from benchmarks.list_studies import STUDIES
from benchmarks.list_study import Study

_RUNS = "RUNS"
RESULT = Path(__file__).parent / "results" / "lists.json"


def train(study: str, method: str, runs: Path) -> None:
    """Train one method unless its run is finished."""
    name, *overrides = STUDIES[study].methods[method]
    recipe = load(name, [override.replace(_RUNS, str((runs / study).resolve())) for override in overrides])
    assert isinstance(recipe, ListRecipe), f"{name} is a recipe of lists"
    output = runs / study / method
    print(f"{study}/{method}", flush=True)
    train_list_recipe(recipe, output, fit_lists, seeds=STUDIES[study].seeds, resume=is_list_run(output))


def collect(
    study: str, runs: Path, written: dict[str, Any] | None = None, only: Collection[str] | None = None
) -> dict[str, Any]:
    """What the finished runs of a study say, beside what was written of methods whose runs are not there.

    Args:
        study: Its name.
        runs: The folder of all studies' runs.
        written: What an earlier call returned; missing: nothing.
        only: Of other methods too what was written stays, where it is; missing: of none.

    Raises:
        DataError: methods are finished and the reference, which they are compared with, is not.
    """
    of_study, written = STUDIES[study], written or {}
    found = {method: ListDirectory(runs / study / method) for method in of_study.methods}
    finished = {method: run for method, run in found.items() if run.is_written}
    if finished and of_study.reference not in finished:
        raise DataError(
            f"{runs / study}: expected a finished run of {of_study.reference}, which the others are compared with, "
            f"received {', '.join(finished)}; train it too"
        )
    kept = written.get("methods", {})
    anew = {method for method in finished if only is None or method in only or method not in kept}
    methods = {
        method: _entry(of_study, method, finished) if method in anew else kept[method]
        for method in of_study.methods
        if method in anew or method in kept
    }
    pairs = {
        (pair["method"], pair["minus"]): pair
        for pair in written.get("pairs", [])
        if not {pair["method"], pair["minus"]} & anew
    }
    for one, other in of_study.pairs:
        if {one, other} <= set(finished) and (one, other) not in pairs:
            gaps = _gaps(finished[one], finished[other], of_study.metrics)
            pairs[one, other] = {"method": one, "minus": other, "metrics": gaps}
    return {
        "title": of_study.title,
        "reference": of_study.reference,
        "metrics": list(of_study.metrics),
        "methods": methods,
        "pairs": [pairs[pair] for pair in of_study.pairs if pair in pairs],
        "others": {name: list(values) for name, values in of_study.others.items()},
        "same": {name: method for name, method in of_study.same.items() if method in methods},
    }


def _entry(of_study: Study, method: str, finished: dict[str, ListDirectory]) -> dict[str, Any]:
    """What the finished run of a method says."""
    run = finished[method]
    metrics = run.read_metrics()
    entry = {
        "command": " ".join(["aisle train", *_told(of_study.methods[method]), *_seeds(of_study.seeds)]),
        "model": metrics["model"],
        "parameters": metrics["parameters"],
        "model_bytes": metrics["model_bytes"],
        "train_seconds": metrics["timing"]["train_seconds"],
        "hardware": describe_hardware(),
        "metrics": {name: round(value, 5) for name, value in metrics["metrics"].items()},
        "intervals": metrics.get("intervals", {}),
    }
    if "deviations" in metrics:
        entry |= {"seeds": metrics["seeds"], "deviations": metrics["deviations"]}
    if method != of_study.reference:
        entry["minus_reference"] = _gaps(run, finished[of_study.reference], of_study.metrics)
    return entry


def _told(told: tuple[str, ...]) -> list[str]:
    """The arguments of the command, as a shell takes them."""
    return [told[0], *(f"--set {shlex.quote(override)}" for override in told[1:])]


def _seeds(seeds: tuple[int, ...]) -> list[str]:
    return [f"--seeds {','.join(map(str, seeds))}"] if seeds else []


def _gaps(run: ListDirectory, reference: ListDirectory, metrics: tuple[str, ...]) -> dict[str, dict[str, float]]:
    ours, theirs = run.questions(), reference.questions()
    gaps = {}
    for metric in metrics:
        if len(ours[metric]) != len(theirs[metric]):
            raise DataError(
                f"{run.path}, {reference.path}: expected the same questions, received other numbers of them"
            )
        told = ~(np.isnan(ours[metric]) | np.isnan(theirs[metric]))
        gap = paired_bootstrap(ours[metric][told], theirs[metric][told], seed=0)
        gaps[metric] = {"difference": gap.mean, "low": gap.low, "high": gap.high}
    return gaps


def main() -> None:
    """Train what is missing, collect and write; studies that were not asked for stay as they were written."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=sorted(STUDIES), default=sorted(STUDIES))
    parser.add_argument("--methods", nargs="+", help="these alone; the reference is trained too, to compare")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where run directories are kept")
    parser.add_argument("--collect", action="store_true", help="train nothing: write what the finished runs say")
    options = parser.parse_args()
    written = json.loads(RESULT.read_text("utf-8")) if RESULT.is_file() else {}
    studies = dict(written.get("studies", {}))
    for study in options.only:
        of_study = STUDIES[study]
        chosen = of_study.methods if options.methods is None else {*options.methods, of_study.reference}
        for method in of_study.methods:
            if not options.collect and method in chosen:
                train(study, method, options.runs)
        studies[study] = collect(study, options.runs, studies.get(study), options.methods)
        result = {"benchmark": "lists", "studies": studies}
        RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        print(RESULT)


if __name__ == "__main__":
    main()
