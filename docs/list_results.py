"""Writes ``docs/results/lists.md`` from ``benchmarks/results/lists.json``: recommenders over lists, by protocol."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_SIZES = (
    "What size is worth to SASRec and HSTU: the rows of the table by their parameters, with 95 % intervals over the "
    "test questions, one seed each.\n\n![quality over parameters](sequence_sizes.svg)"
)


def list_results(results: Path) -> str:
    """The document.

    Args:
        results: The folder of result files; a study that was not measured is left out.
    """
    parts = [
        "# Recommenders over lists, measured\n\nBuilt by `make docs` from `benchmarks/results`. Runs by "
        "`python -m benchmarks.lists`; [what the protocols are](../list-recipes.md). A difference is paired over the "
        "test questions, with a 95 % interval, and real only where that excludes 0. Others measured their own numbers. "
        "Which models a mean of several is made of was not chosen by validation, but for Diginetica's."
    ]
    path = results / "lists.json"
    if path.is_file():
        studies = json.loads(path.read_text("utf-8"))["studies"]
        parts += [
            _study(study) + (f"\n\n{_SIZES}" if name == "ml-1m" else "")
            for name, study in studies.items()
            if study["methods"]
        ]
    scale = results / "sequence_scale.json"
    if scale.is_file():
        parts.append(_scale(json.loads(scale.read_text("utf-8"))))
    speed = results / "sequence_speed.json"
    if speed.is_file():
        parts.append(_speed(json.loads(speed.read_text("utf-8"))))
    return "\n\n".join(parts) + "\n"


def beside_papers(results: Path) -> str:
    """A table of what papers report, beside our model of that name and our best single one under the protocol."""
    path = results / "lists.json"
    studies = json.loads(path.read_text("utf-8"))["studies"] if path.is_file() else {}
    rows, means = [], []
    for study in studies.values():
        if not (study["methods"] and study["others"]):
            continue
        first, second = study["metrics"][:2]
        title, same = study["title"].split(":")[0], study.get("same", {})
        told = {name: f"{name} {_value(one, first)} / {_value(one, second)}" for name, one in study["methods"].items()}
        ours = sorted(told, key=lambda name: -study["methods"][name]["metrics"][first])
        singles = [name for name in ours if study["methods"][name]["model"] != "ensemble"]
        metric = " / ".join(name.split("/")[1] for name in (first, second))
        once = [f"{title}: {metric}", told[singles[0]]]
        for name, values in study["others"].items():
            published, own = f"{name} {values[0]:.4f} / {values[1]:.4f}", told.get(same.get(name, ""), "")
            rows.append(_row([once[0], published, own, once[1]]))
            once = ["", ""]
        means += [f"on {title.split(',')[0]}: {told[ours[0]]}"] if ours[0] != singles[0] else []
    header = ["protocol", "reported by others", "our model of that name", "our best single model by this test"]
    reach = f" The best of them {'; '.join(means)}." if means else ""
    note = (
        "An empty cell: not measured. A blend's weights were chosen on validation items; means of finished runs are "
        f"left out, since which runs belong to one was not.{reach}"
    )
    return "\n".join([_row(header), _row(["---"] * len(header)), *rows, "", note]) + "\n"


def _study(study: Mapping[str, Any]) -> str:
    metrics = study["metrics"]
    first = metrics[0]
    shown = [metric.removeprefix("test/") for metric in metrics]
    header = ["model", *shown, f"{shown[0]} minus {study['reference']}", "parameters", "training"]
    lines = [f"## {study['title']}", "", _row(header), _row(["---"] * len(header))]
    for name, method in sorted(study["methods"].items(), key=lambda entry: -entry[1]["metrics"][first]):
        gap = method.get("minus_reference", {}).get(first)
        cells = [name, *(_value(method, metric) for metric in metrics)]
        cells += ["" if gap is None else _gap(gap)]
        cells += [f"{method['parameters']:,}" if method["parameters"] else "", _duration(method["train_seconds"])]
        lines.append(_row(cells))
    lines += [
        _row([f"*{name}*", *_padded([f"{value:.4f}" for value in values], len(header) - 1)])
        for name, values in study["others"].items()
    ]
    lines += _pairs(study.get("pairs", []), metrics)
    commands = [f"- {name}: `{method['command']}`" for name, method in study["methods"].items()]
    return "\n".join([*lines, "", "Commands:", "", *commands])


def _pairs(pairs: Sequence[Mapping[str, Any]], metrics: Sequence[str]) -> list[str]:
    """A table of further differences between methods of a study, if it has any."""
    if not pairs:
        return []
    header = ["difference", *(metric.removeprefix("test/") for metric in metrics)]
    rows = [
        _row([f"{pair['method']} minus {pair['minus']}", *(_gap(pair["metrics"][metric]) for metric in metrics)])
        for pair in pairs
    ]
    return ["", "Between two of them:", "", _row(header), _row(["---"] * len(header)), *rows]


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
    hardware, shapes = result["hardware"], result["shapes"]
    lines = [
        "## Speed of training",
        "",
        f"Steps of SASRec and HSTU beside RecBole's SASRec of the same sizes in the same run, {hardware['threads']} "
        f"thread(s), {hardware['cpu']} (`python -m benchmarks.sequence_speed`); all items are compared. RecBole has a "
        "padded row for each prefix, and tells what follows its last position. Ours do the same work in the rows `last "
        "position`; `every position` is how they train: what follows each position of a sequence is told at once. "
        "Importing RecBole 1.2.1 leaves PyTorch's detection of anomalies on, which slows its steps; its second row has "
        "it turned off by hand. It also drops attention weights in training, which ours do not, and HSTU's layers have "
        "no two-layer network.",
    ]
    lines += ["", *_speeds(shapes["full"], "Full sequences of random items, in the sizes of MovieLens-1M")]
    lines += ["", *_speeds(shapes["amazon-beauty"], "Amazon Beauty, whose histories are short", has_epoch=True)]
    lines += ["", *_speed_summary(shapes)]
    return "\n".join(lines)


def _speeds(shape: Mapping[str, Any], title: str, *, has_epoch: bool = False) -> list[str]:
    """A table of one shape; an epoch is extrapolated from the measured steps."""
    sizes, variants = shape["sizes"], shape["variants"]
    base, unwatched = list(variants.values())[:2]
    header = ["variant", "step, ms", "rows a second", "examples a second", "times RecBole", "times RecBole unwatched"]
    rows = []
    for name, one in variants.items():
        rate = one["told_positions_per_second"]
        times = [f"{rate / of['told_positions_per_second']:.1f}" for of in (base, unwatched)]
        cells = [name, f"{one['step_ms']:.0f}", f"{one['sequences_per_second']:,.0f}", f"{rate:,.0f}", *times]
        rows.append(_row([*cells, f"{shape['rows'] / rate:.0f}"] if has_epoch else cells))
    header += ["an epoch, s"] if has_epoch else []
    told = (
        f"{title}: batches of {sizes['batch']}, at most {sizes['length']} positions, {sizes['items']:,} items, "
        f"{sizes['dim']} numbers, {sizes['blocks']} blocks of {sizes['heads']} head(s). An example is a told position."
    )
    if has_epoch:
        told += f" Seconds are those of {shape['rows']:,} examples, extrapolated from the measured steps."
    return [told, "", _row(header), _row(["---"] * len(header)), *rows]


def _speed_summary(shapes: Mapping[str, Any]) -> list[str]:
    """How many times faster ours are, from the slowest to the fastest of them."""

    def times(shape: str, told: str, of: int, what: str = "told_positions_per_second") -> str:
        variants = shapes[shape]["variants"]
        base = list(variants.values())[of][what]
        found = [one[what] / base for name, one in variants.items() if name.endswith(told)]
        return f"{min(found):.1f} to {max(found):.1f}"

    return [
        f"So the same rows take ours {times('amazon-beauty', 'last position', 0)} times less on Amazon Beauty "
        f"({times('amazon-beauty', 'last position', 1)} with RecBole unwatched), mostly because a batch of short "
        f"histories is padded to its longest alone. Where all are full it is {times('full', 'last position', 0)} "
        f"times, and {times('full', 'last position', 1)} unwatched. Told at every position, examples go by "
        f"{times('amazon-beauty', 'every position', 1)} and {times('full', 'every position', 1)} times faster than "
        f"unwatched; but a full sequence with all of its {shapes['full']['sizes']['length']} positions told goes by "
        f"only {times('full', 'every position', 1, 'sequences_per_second')} times as fast as one whose last is.",
    ]


def _value(method: Mapping[str, Any], metric: str) -> str:
    value = f"{method['metrics'][metric]:.4f}"
    deviation = method.get("deviations", {}).get(metric)
    return value if deviation is None else f"{value} ± {deviation:.4f}"


def _gap(gap: Mapping[str, float]) -> str:
    return f"{gap['difference']:+.4f} [{gap['low']:+.4f}, {gap['high']:+.4f}]"


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _padded(cells: Sequence[str], width: int) -> list[str]:
    return [*cells, *[""] * (width - len(cells))]


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
