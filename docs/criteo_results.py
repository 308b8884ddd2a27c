"""The Criteo sample in ``docs/results/ranking.md``: models, their commands, peers, and what did not help."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from result_cells import beside, gap, listed, measured, row  # beside this script

#: What was tried: its words, the method that has it, and the same one without it.
_TRIALS = (
    ("numbers as categories too", "dlrm, bucketized", "dlrm"),
    ("numbers as categories too", "deepfm, bucketized", "deepfm"),
    ("attention over pairs beside DLRM's dot products", "attention-dlrm, smaller layers", "dlrm, smaller layers"),
    ("attention over pairs in place of them", "attention-dlrm, replace", "dlrm"),
    ("vectors side by side in place of dot products", "dlrm, cat", "dlrm"),
    ("cross layers of low rank", "dcn-v2, low rank", "dcn-v2"),
    ("bfloat16", "dlrm, bfloat16", "dlrm"),
    ("bfloat16", "dcn-v2, bfloat16", "dcn-v2"),
    ("bfloat16", "deepfm, bfloat16", "deepfm"),
)
#: What trains a model without our kernels, and by which names it was trained with them.
_PLAIN = ", plain PyTorch"
_OURS = {"": "our kernels, float32", ", bfloat16": "our kernels, bfloat16"}
_METRICS = {"auc": "AUC", "logloss": "log loss"}
_BETTER, _WORSE, _TIE = "better", "worse", "no difference shown"


def criteo_results(result: Mapping[str, Any]) -> str:
    """The section."""
    return "\n\n".join(
        [_models(result), _commands(result), _peers(result["peers"]), _kernels(result), _without_gain(result)]
    )


def _models(result: Mapping[str, Any]) -> str:
    methods = sorted(result["methods"].items(), key=lambda entry: entry[1]["metrics"]["test/logloss"])
    reference = result["reference"]
    lines = [
        "## Criteo sample",
        "",
        f"120,650 rows; {result['protocol']}. Means of the seeds {listed(result['seeds'])} and their standard "
        f"deviation; beside them the difference from {reference} regression on bucketized numbers, paired over "
        "test rows, with 95 % intervals over rows and seeds. A difference is real only where its interval excludes 0. "
        "`dlrm` has the layers of the peers' DLRM, so do its variants but the smaller ones, which are the recipe's.",
        "",
        f"| model | AUC | log loss | AUC minus {reference} | log loss minus {reference} | parameters |",
        "|---|---|---|---|---|---|",
    ]
    lines += beside(dict(methods), reference)
    lines += [f"\nOf `{name}`: {method['note']}." for name, method in methods if "note" in method]
    return "\n".join(lines)


def _commands(result: Mapping[str, Any]) -> str:
    lines = ["Commands, from a clone (`python -m benchmarks.criteo` runs them all):", ""]
    for name, method in result["methods"].items():
        command = method.get("command")
        if command is None:
            lines.append(f"- {name}: `aisle ensemble` of the runs of {method['members']} models")
        else:
            lines.append(f"- {name}: " + ", then ".join(f"`{one}`" for one in _each(command)))
    return "\n".join(lines)


def _each(command: str | Sequence[str]) -> Sequence[str]:
    return [command] if isinstance(command, str) else command


def _peers(peers: Mapping[str, Any]) -> str:
    lines = ["Others' implementations on the same rows, each measured by itself:", "", "| peer | AUC | log loss |"]
    lines += ["|---|---|---|"]
    lines += [row([name, f"{peer['auc']:.4f}", f"{peer['logloss']:.4f}"]) for name, peer in peers.items()]
    return "\n".join(lines)


def _kernels(result: Mapping[str, Any]) -> str:
    """Whether training loses anything by our kernels and by bfloat16."""
    methods = result["methods"]
    titles = list(_METRICS.values())
    lines = [
        "### Our kernels and bfloat16 beside plain PyTorch",
        "",
        "Plain PyTorch is float32: an `nn.Embedding` whose whole gradient autograd makes, all of DLRM's products by "
        "one batched product, and `torch.optim`, whose penalty every row of a table pays in every step; with our "
        "kernels a row pays it when it is looked up. Recipe, seeds, first weights and batches are the same. The "
        "spread is the standard deviation of plain PyTorch over seeds.",
        "",
        row(
            ["model", "trained by", *titles, *(f"{one} minus plain" for one in titles), "worse by more than the spread"]
        ),
        "|---|---|---|---|---|---|---|",
    ]
    for name in methods:
        kind, is_plain, _ = name.partition(_PLAIN)
        if is_plain:
            lines.append(row([kind, "plain PyTorch, float32", *_measured(methods[name]), "", "", ""]))
            for variant, how in _OURS.items():
                ours = methods.get(kind + variant, {})
                if f"minus_{name}" in ours:
                    gaps = ours[f"minus_{name}"]
                    cells = [how, *_measured(ours), *(gap(gaps[metric]) for metric in _METRICS)]
                    lines.append(row(["", *cells, _worse_by_more(gaps, methods[name]["deviations"])]))
    return "\n".join(lines)


def _measured(method: Mapping[str, Any]) -> list[str]:
    return [measured(method, f"test/{metric}") for metric in _METRICS]


def _worse_by_more(gaps: Mapping[str, Mapping[str, float]], spread: Mapping[str, float]) -> str:
    """Which measures are worse than plain PyTorch's by more than the spread of its seeds."""
    losses = {"auc": -gaps["auc"]["value"], "logloss": gaps["logloss"]["value"]}
    return " and ".join(_METRICS[metric] for metric in _METRICS if losses[metric] > spread[f"test/{metric}"]) or "no"


def _without_gain(result: Mapping[str, Any]) -> str:
    """What gained nothing: trials that show a gain, or of which too little is known, are left out."""
    methods = result["methods"]
    lines = [
        "### What did not help on Criteo",
        "",
        _beside_reference(methods, result["reference"]),
        "",
        "What was tried of one model, minus the same model without it. Where there is no interval, rows were not "
        "paired: it is a difference of means, within the larger of both standard deviations over seeds.",
        "",
        row(["tried", "model", *(f"{title} minus without it" for title in _METRICS.values()), "by log loss"]),
        "|---|---|---|---|---|",
    ]
    for tried, name, base in _TRIALS:
        if name in methods and base in methods:
            gaps = methods[name].get(f"minus_{base}") or _of_means(methods[name], methods[base])
            verdict = _verdict(gaps["logloss"])
            if verdict != _BETTER and not any(map(_is_open, gaps.values())):
                lines.append(row([tried, name, *(_cell(gaps[metric]) for metric in _METRICS), verdict]))
    return "\n".join(lines)


def _of_means(method: Mapping[str, Any], base: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Differences of means, and how far seeds are apart."""
    found = {}
    for metric in _METRICS:
        name = f"test/{metric}"
        value = method["metrics"][name] - base["metrics"][name]
        found[metric] = {"value": value, "deviation": max(one["deviations"][name] for one in (method, base))}
    return found


def _verdict(log_loss: Mapping[str, Any]) -> str:
    if "deviation" in log_loss or log_loss["low"] <= 0 <= log_loss["high"]:
        return _TIE
    return _BETTER if log_loss["high"] < 0 else _WORSE


def _is_open(difference: Mapping[str, Any]) -> bool:
    """Not paired, and more than the seeds' spread."""
    return "deviation" in difference and abs(difference["value"]) > difference["deviation"]


def _cell(difference: Mapping[str, Any]) -> str:
    if "deviation" in difference:
        return f"{difference['value']:+.4f} (seeds ± {difference['deviation']:.4f})"
    return gap(difference)


def _beside_reference(methods: Mapping[str, Any], reference: str) -> str:
    """Which of all methods are better, equal or worse than the simplest one, by log loss."""
    of: dict[str, list[str]] = {_BETTER: [], _WORSE: [], _TIE: []}
    for name, method in methods.items():
        paired = method.get(f"minus_{reference}")
        is_larger = method["model"] not in (reference, "ensemble") and not name.endswith(_PLAIN)
        if paired is not None and is_larger:
            of[_verdict(paired["logloss"])].append(name)
    told = "; ".join(f"{verdict}: {len(names)} ({_names(names)})" for verdict, names in of.items())
    return (
        f"Larger models, by their log loss beside that of {reference} regression on bucketized numbers, of "
        f"{sum(map(len, of.values()))} that were compared: {told}."
    )


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "none"
