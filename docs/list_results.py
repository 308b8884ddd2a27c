"""Writes ``docs/results/lists.md`` from ``benchmarks/results/lists.json``: recommenders over lists, by protocol."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def list_results(results: Path) -> str:
    """The document.

    Args:
        results: The folder of result files; a study that was not measured is left out.
    """
    parts = [
        "# Recommenders over lists, measured\n\nBuilt by `make docs` from `benchmarks/results`. Runs by "
        "`python -m benchmarks.lists`; [what the protocols are](../list-recipes.md). A difference is paired over the "
        "test questions, with a 95 % interval, and real only where that excludes 0. Others measured their own numbers."
    ]
    path = results / "lists.json"
    if path.is_file():
        studies = json.loads(path.read_text("utf-8"))["studies"]
        parts += [_study(study) for study in studies.values() if study["methods"]]
    scale = results / "sequence_scale.json"
    if scale.is_file():
        parts.append(_scale(json.loads(scale.read_text("utf-8"))))
    speed = results / "sequence_speed.json"
    if speed.is_file():
        parts.append(_speed(json.loads(speed.read_text("utf-8"))))
    return "\n\n".join(parts) + "\n"


def beside_papers(results: Path) -> str:
    """A table of the studies that papers report too: our best two, of which one may be a mean of runs, and theirs."""
    path = results / "lists.json"
    studies = json.loads(path.read_text("utf-8"))["studies"] if path.is_file() else {}
    rows = []
    for study in studies.values():
        if not (study["methods"] and study["others"]):
            continue
        first, second = study["metrics"][:2]
        ours = sorted(study["methods"].items(), key=lambda entry: -entry[1]["metrics"][first])
        ours = [entry for place, entry in enumerate(ours) if place == 0 or entry[1]["model"] != "ensemble"][:2]
        told = [f"{name} {_value(method, first)} / {_value(method, second)}" for name, method in ours]
        others = [f"{name} {values[0]:.4f} / {values[1]:.4f}" for name, values in study["others"].items()]
        metric = " / ".join(name.split("/")[1] for name in (first, second))
        rows.append(_row([study["title"].split(":")[0], metric, "<br>".join(told), "<br>".join(others)]))
    header = ["protocol", "metrics", "our best two", "reported by others"]
    return "\n".join([_row(header), _row(["---"] * len(header)), *rows]) + "\n"


def _study(study: Mapping[str, Any]) -> str:
    metrics = study["metrics"]
    first = metrics[0]
    shown = [metric.removeprefix("test/") for metric in metrics]
    header = ["model", *shown, f"{shown[0]} minus {study['reference']}", "parameters", "training"]
    lines = [f"## {study['title']}", "", _row(header), _row(["---"] * len(header))]
    for name, method in sorted(study["methods"].items(), key=lambda entry: -entry[1]["metrics"][first]):
        gap = method.get("minus_reference", {}).get(first)
        cells = [name, *(_value(method, metric) for metric in metrics)]
        cells += ["" if gap is None else f"{gap['difference']:+.4f} [{gap['low']:+.4f}, {gap['high']:+.4f}]"]
        cells += [f"{method['parameters']:,}" if method["parameters"] else "", _duration(method["train_seconds"])]
        lines.append(_row(cells))
    lines += [
        _row([f"*{name}*", *_padded([f"{value:.4f}" for value in values], len(header) - 1)])
        for name, values in study["others"].items()
    ]
    commands = [f"- {name}: `{method['command']}`" for name, method in study["methods"].items()]
    return "\n".join([*lines, "", "Commands:", "", *commands])


def _scale(result: Mapping[str, Any]) -> str:
    lines = [
        "## What HSTU costs",
        "",
        f"One layer of {result['sizes']['dim']} numbers and {result['sizes']['heads']} heads, a training step, one "
        f"thread, {result['hardware']['cpu']}; beside a transformer block of the same width "
        "(`python -m benchmarks.sequence_scale`).",
        "",
        "| positions | HSTU, µs a position | transformer block, µs a position |",
        "|---|---|---|",
    ]
    for row in result["lengths"]:
        cost = row["microseconds_per_position"]
        lines.append(f"| {row['length']:,} | {cost['hstu']:.2f} | {cost['transformer']:.2f} |")
    items = result["sizes"]["history_items"]
    lines += [
        "",
        f"Candidates behind a history of {items} items, ranked in one pass (M-FALCON) and one by one:",
        "",
        "| candidates | M-FALCON, ms | one by one, ms | times |",
        "|---|---|---|---|",
    ]
    for row in result["candidates"]:
        ours, theirs = row["milliseconds"]["m_falcon"], row["milliseconds"]["one_by_one"]
        lines.append(f"| {row['candidates']:,} | {ours:.1f} | {theirs:.1f} | {theirs / ours:.1f} |")
    return "\n".join([*lines, "", "![curves](sequence_scale.svg)"])


def _speed(result: Mapping[str, Any]) -> str:
    sizes = result["sizes"]
    lines = [
        "## Speed of training",
        "",
        f"Steps of {sizes['batch']} sequences of {sizes['length']}, {sizes['items']:,} items, {sizes['dim']} numbers, "
        f"{sizes['blocks']} blocks, {result['hardware']['threads']} thread(s), {result['hardware']['cpu']}, taken in "
        "turn (`python -m benchmarks.sequence_speed`). Ours tell what follows every position, all items compared; the "
        "prefix transformer is PyTorch's, a row per prefix, and tells what follows its last position.",
        "",
        "| variant | step, ms | sequences a second | told positions a second |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {name} | {one['step_ms']:.0f} | {one['sequences_per_second']:.0f} | "
        f"{one['told_positions_per_second']:,.0f} |"
        for name, one in result["variants"].items()
    ]
    return "\n".join(lines)


def _value(method: Mapping[str, Any], metric: str) -> str:
    value = f"{method['metrics'][metric]:.4f}"
    deviation = method.get("deviations", {}).get(metric)
    return value if deviation is None else f"{value} ± {deviation:.4f}"


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _padded(cells: Sequence[str], width: int) -> list[str]:
    return [*cells, *[""] * (width - len(cells))]


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
