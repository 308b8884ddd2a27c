"""Writes ``docs/results/ranking.md`` from ``benchmarks/results``: the ranking family, kinds of tables, speed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def ranking_results(results: Path) -> str:
    """The document.

    Args:
        results: The folder of result files; what was not measured is left out.
    """
    parts = ["# The ranking family, measured\n\nBuilt by `make docs` from `benchmarks/results`."]
    for name, section in _SECTIONS.items():
        path = results / f"{name}.json"
        if path.is_file():
            parts.append(section(json.loads(path.read_text("utf-8"))))
    return "\n\n".join(parts) + "\n"


def _criteo(result: Mapping[str, Any]) -> str:
    methods = sorted(result["methods"].items(), key=lambda entry: entry[1]["metrics"]["test/logloss"])
    reference = result["reference"]
    lines = [
        "## Criteo sample",
        "",
        f"120,650 rows; {result['protocol']}. Means of the seeds {_list(result['seeds'])} and their standard "
        f"deviation; beside them the difference from {reference} regression on bucketized numbers, paired over "
        "test rows, with 95 % intervals over rows and seeds. A difference is real only where its interval excludes 0.",
        "",
        f"| model | AUC | log loss | AUC minus {reference} | log loss minus {reference} | parameters |",
        "|---|---|---|---|---|---|",
    ]
    for name, method in methods:
        gaps = method.get(f"minus_{reference}", {})
        cells = [_measured(method, "test/auc"), _measured(method, "test/logloss")]
        cells += [_gap(gaps[metric]) if metric in gaps else "" for metric in ("auc", "logloss")]
        cells += [f"{method['parameters']:,}" if method.get("parameters") else ""]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    lines += [f"\nOf `{name}`: {method['note']}." for name, method in methods if "note" in method]
    lines += ["", "Others' implementations on the same rows, each measured by itself:", "", "| peer | AUC | log loss |"]
    lines += ["|---|---|---|"]
    lines += [f"| {name} | {peer['auc']:.4f} | {peer['logloss']:.4f} |" for name, peer in result["peers"].items()]
    return "\n".join(lines)


def _histories(result: Mapping[str, Any]) -> str:
    reference = result["reference"]
    lines = [
        "## Histories",
        "",
        f"MovieLens-1M, `ml-1m-din`: will a user rate a movie above 3, after the 20 last liked; {result['protocol']}. "
        f"Means of the seeds {_list(result['seeds'])}; beside them the difference from a {reference}, paired over test "
        "rows, with 95 % intervals over rows and seeds.",
        "",
        "| model | AUC | log loss | AUC minus mean | log loss minus mean | parameters |",
        "|---|---|---|---|---|---|",
    ]
    for name, method in result["methods"].items():
        gaps = method.get("minus_mean", {})
        cells = [_measured(method, "test/auc"), _measured(method, "test/logloss")]
        cells += [_gap(gaps[metric]) if metric in gaps else "" for metric in ("auc", "logloss")]
        lines.append(f"| {name} | " + " | ".join([*cells, f"{method['parameters']:,}"]) + " |")
    return "\n".join(lines)


def _actions(result: Mapping[str, Any]) -> str:
    lines = [
        "## Actions",
        "",
        f"MovieLens-1M, `{result['command']}`: will a user rate the last movie 4 or 5? Seed {result['seed']}; length "
        "and width were not tuned. What HSTU gains on each baseline is paired over users, with 95 % intervals.",
        "",
        "| model | AUC | log loss | HSTU's gain in AUC | in log loss |",
        "|---|---|---|---|---|",
        f"| {result['model']} | {_measured(result, 'test/auc')} | {_measured(result, 'test/logloss')} | | |",
    ]
    for name, baseline in result["baselines"].items():
        cells = [_measured(baseline, "test/auc"), _measured(baseline, "test/logloss")]
        cells += [_gap(baseline["differences"][metric]) for metric in ("test/auc", "test/logloss")]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _table_kinds(result: Mapping[str, Any]) -> str:
    full = result["methods"]["full"]
    lines = [
        "## Kinds of tables at equal bytes",
        "",
        f"DLRM on the Criteo sample, seeds {_list(result['seeds'])}; tables of fewer than "
        f"{result['compress_from']:,} rows stay full. Log loss minus that of full tables, and minus that of "
        "thresholded tables of the same size.",
        "",
        "| tables | model bytes | AUC | log loss | minus full | minus thresholded |",
        "|---|---|---|---|---|---|",
        f"| full | {full['model_bytes']:,} | {_measured(full, 'test/auc')} | {_measured(full, 'test/logloss')} | | |",
    ]
    for name, method in result["methods"].items():
        if name == "full":
            continue
        gaps = [method.get(f"minus_{other}") for other in ("full", "thresholded")]
        cells = [f"{method['model_bytes']:,}", _measured(method, "test/auc"), _measured(method, "test/logloss")]
        cells += [_gap(gap["logloss"]) if gap else "" for gap in gaps]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _train_speed(result: Mapping[str, Any]) -> str:
    sizes = result["sizes"]
    lines = [
        "## Speed of training",
        "",
        f"`aisle bench train`: {sizes['num_tables']} tables of {sizes['table_rows']:,} rows and "
        f"{sizes['embedding_dim']} numbers, batch {sizes['batch_size']:,}, {result['id_distribution']} ids, "
        f"{result['threads']} threads, all variants in turns in one run.",
        "",
        "| variant | ms, median | ms, best | samples/s | times ours |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {name} | {one['median_ms']:.1f} | {one['best_ms']:.1f} | {one['samples_per_second']:,} | "
        f"{one['times_ours']:.2f} |"
        for name, one in {**result["variants"], **result.get("peers", {})}.items()
    ]
    limits, losses = result["limits"], result["final_loss"]
    lines += [
        "",
        f"The machine's limits: {limits['bfloat16_gflops']:,.0f} GFLOP/s in bfloat16, "
        f"{limits['float32_gflops']:,.0f} in float32, {limits['copy_gb_per_second']:.0f} GB/s copied. The "
        f"loader alone gives {result['loader']['samples_per_second']:,} samples/s. Loss at the end of a fixed stream: "
        f"{losses['bfloat16']:.4f} in bfloat16, {losses['float32']:.4f} in float32.",
    ]
    return "\n".join(lines)


def _epoch_speed(result: Mapping[str, Any]) -> str:
    lines = [
        "## Speed of an epoch",
        "",
        f"`python -m benchmarks.epoch_speed`: {result['num_rows']:,} rows of the Criteo sample, batches of "
        f"{result['batch_size']:,}, {result['threads']} threads, in turns in one run; ours in bfloat16, with set-up.",
        "",
        "| model | by | s, median | s, best | samples/s | times ours |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {kind} | {name} | {one['median_s']:.2f} | {one['best_s']:.2f} | "
        f"{result['num_rows'] / one['median_s']:,.0f} | {one['median_s'] / times['aisle']['median_s']:.2f} |"
        for kind, times in result["models"].items()
        for name, one in times.items()
    ]
    return "\n".join(lines)


def _train_scale(result: Mapping[str, Any]) -> str:
    sizes = result["sizes"]
    lines = [
        "## Cost against scale",
        "",
        f"{sizes['num_tables']} tables of {sizes['embedding_dim']} numbers, {sizes['ids']} ids; bytes of tables and of "
        "row-wise Adagrad's state ([chart](train_scale.svg)).",
        "",
        "| threads | rows of a table | batch | µs a sample | samples/s | MiB of tables |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {step['threads']} | {step['table_rows']:,} | {step['batch_size']:,} | "
        f"{step['microseconds_per_sample']:.2f} | {step['samples_per_second']:,} | {step['table_bytes'] / 2**20:,.0f} |"
        for step in result["steps"]
    ]
    return "\n".join(lines)


def _measured(method: Mapping[str, Any], metric: str) -> str:
    deviation = method.get("deviations", {}).get(metric)
    value = f"{method['metrics'][metric]:.4f}"
    return value if deviation is None else f"{value} ± {deviation:.4f}"


def _gap(gap: Mapping[str, Any]) -> str:
    return f"{gap['value']:+.4f} [{gap['low']:+.4f}, {gap['high']:+.4f}]"


def _list(seeds: list[int]) -> str:
    return ", ".join(map(str, seeds))


_SECTIONS = {
    "criteo": _criteo,
    "histories": _histories,
    "actions": _actions,
    "table_kinds": _table_kinds,
    "train_speed": _train_speed,
    "epoch_speed": _epoch_speed,
    "train_scale": _train_scale,
}
