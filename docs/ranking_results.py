"""Writes ``docs/results/ranking.md`` from ``benchmarks/results``: the ranking family, kinds of tables, speed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from click_results import movielens_ctr, multi_task  # beside this script
from criteo_results import criteo_results
from criteo_tuning_results import criteo_tuning
from result_cells import beside, gap, listed, measured


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


def _histories(result: Mapping[str, Any]) -> str:
    reference = result["reference"]
    lines = [
        "## Histories",
        "",
        f"MovieLens-1M, `ml-1m-din`: will a user rate a movie above 3, after the 20 last liked; {result['protocol']}. "
        f"Means of the seeds {listed(result['seeds'])}; beside them the difference from a {reference}, paired over "
        "test rows, with 95 % intervals over rows and seeds.",
        "",
        "| model | AUC | log loss | AUC minus mean | log loss minus mean | parameters |",
        "|---|---|---|---|---|---|",
    ]
    return "\n".join([*lines, *beside(result["methods"], "mean")])


def _actions(result: Mapping[str, Any]) -> str:
    lines = [
        "## Actions",
        "",
        f"MovieLens-1M, `{result['command']}`: will a user rate the last movie 4 or 5? Seed {result['seed']}; length "
        "and width were not tuned. What HSTU gains on each baseline is paired over users, with 95 % intervals.",
        "",
        "| model | AUC | log loss | HSTU's gain in AUC | in log loss |",
        "|---|---|---|---|---|",
        f"| {result['model']} | {measured(result, 'test/auc')} | {measured(result, 'test/logloss')} | | |",
    ]
    for name, baseline in result["baselines"].items():
        cells = [measured(baseline, "test/auc"), measured(baseline, "test/logloss")]
        cells += [gap(baseline["differences"][metric]) for metric in ("test/auc", "test/logloss")]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _table_kinds(result: Mapping[str, Any]) -> str:
    full = result["methods"]["full"]
    lines = [
        "## Kinds of tables at equal bytes",
        "",
        f"DLRM on the Criteo sample, seeds {listed(result['seeds'])}; tables of fewer than "
        f"{result['compress_from']:,} rows stay full. Log loss minus that of full tables, and minus that of "
        "thresholded tables of the same size.",
        "",
        "| tables | model bytes | AUC | log loss | minus full | minus thresholded |",
        "|---|---|---|---|---|---|",
        f"| full | {full['model_bytes']:,} | {measured(full, 'test/auc')} | {measured(full, 'test/logloss')} | | |",
    ]
    for name, method in result["methods"].items():
        if name == "full":
            continue
        gaps = [method.get(f"minus_{other}") for other in ("full", "thresholded")]
        cells = [f"{method['model_bytes']:,}", measured(method, "test/auc"), measured(method, "test/logloss")]
        cells += [gap(one["logloss"]) if one else "" for one in gaps]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", _sizes(result["methods"]), "", _claim(result["methods"])])


def _sizes(methods: Mapping[str, Any]) -> str:
    """How much smaller than the others low-rank tables came out."""
    less = []
    for one in (method for method in methods.values() if method.get("kind") == "low-rank"):
        others = [other["model_bytes"] for other in methods.values() if other.get("share") == one["share"]]
        less.append(1 - one["model_bytes"] / max(others))
    return (
        "Bytes are equal but for one step of each table. That of a low-rank table is a column, so that these models "
        f"are {100 * min(less):.1f} to {100 * max(less):.1f} % smaller than the largest one of the same share."
    )


def _claim(methods: Mapping[str, Any]) -> str:
    """The verdict on a published claim, by products of quotients and remainders in the smallest size."""
    products = [one for one in methods.values() if one.get("kind") == "quotient-remainder, mult"]
    one = min(products, key=lambda method: float(method["share"]))
    full, simple = one["minus_full"]["logloss"], one["minus_thresholded"]["logloss"]
    before, after = (method["model_bytes"] / 1e6 for method in (methods["full"], one))
    return (
        "A student paper claims that quotient-remainder tables take a DLRM on 100,000 rows from 17.4 to 2.3 MB at "
        f"similar quality. Here the whole model falls from {before:.1f} to {after:.1f} MB, its large tables to "
        f"{one['share']:g} of their bytes. Log loss with `mult` minus that of full tables is {gap(full)}: "
        f"{_held(full)}. Minus that of thresholded tables, which keep the commonest ids and nothing else, it is "
        f"{gap(simple)}: {_as_well(simple)}."
    )


def _held(loss: Mapping[str, Any]) -> str:
    if loss["low"] > 0:
        return "the claim does not hold, quality is lost"
    return f"the claim holds in so far as no loss is shown, though one of {loss['high']:.4f} is not ruled out"


def _as_well(loss: Mapping[str, Any]) -> str:
    if loss["high"] < 0:
        return "composing is worth its trouble"
    return "thresholding does as well" if loss["low"] <= 0 else "thresholding does better"


def _train_speed(result: Mapping[str, Any]) -> str:
    sizes = result["sizes"]
    lines = [
        f"## Speed of training: {result['hardware']['cpu']}",
        "",
        f"`python -m benchmarks.step_speed`, which is `aisle bench train` with other libraries beside it: "
        f"{sizes['num_tables']} tables of {sizes['table_rows']:,} rows and {sizes['embedding_dim']} numbers, batch "
        f"{sizes['batch_size']:,}, {result['id_distribution']} ids, {result['threads']} threads, all variants in turns "
        "in one run.",
        "",
        "| variant | ms, median | ms, best | samples/s | times ours |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {name} | {one['median_ms']:.1f} | {one['best_ms']:.1f} | {one['samples_per_second']:,} | "
        f"{one['times_ours']:.2f} |"
        for name, one in {**result["variants"], **result.get("peers", {})}.items()
    ]
    loader, limits, losses = result["loader"], result["limits"], result["final_loss"]
    lines += [
        "",
        f"The machine's limits: {limits['bfloat16_gflops']:,.0f} GFLOP/s in bfloat16, "
        f"{limits['float32_gflops']:,.0f} in float32, {limits['copy_gb_per_second']:.0f} GB/s copied. The "
        f"loader alone gives {loader['samples_per_second']:,} samples/s{_from_files(loader)}. Loss at the end of "
        f"a fixed stream: {losses['bfloat16']:.4f} in bfloat16, {losses['float32']:.4f} in float32.",
        *_remarks(result, {"peers_are": "Other libraries", "other_runs": "Other runs"}),
    ]
    return "\n".join(lines)


def _remarks(result: Mapping[str, Any], titles: Mapping[str, str]) -> list[str]:
    """What a result says in words, each a paragraph."""
    return [f"\n{title}: {result[name]}." for name, title in titles.items() if name in result]


def _from_files(loader: Mapping[str, int]) -> str:
    if "mapped_rows" not in loader:
        return ""
    return (
        f" from memory, {loader['mapped_samples_per_second']:,} from mapped files of {loader['mapped_rows']:,} rows "
        f"({loader['cold_samples_per_second']:,} when the system has none of them in memory)"
    )


def _epoch_speed(result: Mapping[str, Any]) -> str:
    lines = [
        f"## Speed of an epoch: {result['hardware']['cpu']}",
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
    return "\n".join([*lines, *_remarks(result, {"other_runs": "Other runs"})])


def _train_scale(result: Mapping[str, Any]) -> str:
    sizes = result["sizes"]
    lines = [
        "## Cost against scale",
        "",
        f"{sizes['num_tables']} tables of {sizes['embedding_dim']} numbers, {sizes['ids']} ids; bytes of tables and of "
        "row-wise Adagrad's state ([chart](train_scale.svg)), and what the process held at most beyond a tiny one. "
        "Memory that was never written, as the state of rows not met yet, is in the former alone.",
        "",
        "| threads | rows of a table | batch | µs a sample | samples/s | MiB of tables | MiB held |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {step['threads']} | {step['table_rows']:,} | {step['batch_size']:,} | "
        f"{step['microseconds_per_sample']:.2f} | {step['samples_per_second']:,} | "
        f"{step['table_bytes'] / 2**20:,.0f} | {step['peak_bytes'] / 2**20:,.0f} |"
        for step in result["steps"]
    ]
    return "\n".join(lines)


_SECTIONS = {
    "criteo": criteo_results,
    "criteo_tuning": criteo_tuning,
    "histories": _histories,
    "movielens_ctr": movielens_ctr,
    "multi_task": multi_task,
    "actions": _actions,
    "table_kinds": _table_kinds,
    "train_speed": _train_speed,
    "train_speed_amx": _train_speed,
    "epoch_speed": _epoch_speed,
    "epoch_speed_amx": _epoch_speed,
    "train_scale": _train_scale,
}
