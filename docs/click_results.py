"""Clicks in ``docs/results/ranking.md``: MovieLens-1M as click-through, and clicks and purchases together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from result_cells import beside, gap, listed, measured, row  # beside this script


def movielens_ctr(result: Mapping[str, Any]) -> str:
    """DLRM beside simple models."""
    reference = result["reference"]
    lines = [
        "## MovieLens-1M as click-through",
        "",
        f"`ml-1m-ctr`, will this user rate this movie above 3: {result['protocol']}, the rest is the recipe's. Means "
        f"of the seeds {listed(result['seeds'])}; beside them the difference from {reference} regression over the same "
        "ids, paired over test rows, with 95 % intervals over rows and seeds.",
        "",
        f"| model | AUC | log loss | AUC minus {reference} | log loss minus {reference} | parameters |",
        "|---|---|---|---|---|---|",
    ]
    lines += beside(result["methods"], reference)
    return "\n".join([*lines, *_commands(result)])


def multi_task(result: Mapping[str, Any]) -> str:
    """Models of both labels beside models of one."""
    positives = result["positives"]
    lines = [
        "## Clicks and purchases together",
        "",
        f"`simulated-multi-task`, {result['protocol']}: {result['rows']:,} impressions, {positives['click']:,} clicks, "
        f"{positives['purchase']:,} purchases. Means of the seeds {listed(result['seeds'])}; each model of both labels "
        "beside one of each label alone that is as deep, with 95 % intervals of the paired differences over rows and "
        "seeds. A simulated shop is no claim about real ones.",
        "",
        "| model | label | AUC | log loss | AUC minus single | log loss minus single | parameters |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, method in result["methods"].items():
        for task in positives:
            gaps = method.get("minus_single", {}).get(task, {})
            cells = [measured(method, f"test/{metric}/{task}") for metric in ("auc", "logloss")]
            cells += [gap(gaps[metric]) if metric in gaps else "" for metric in ("auc", "logloss")]
            lines.append(row([name, task, *cells, f"{method['parameters']:,}"]))
    return "\n".join([*lines, *_commands(result)])


def _commands(result: Mapping[str, Any]) -> list[str]:
    lines = ["", f"Commands, from a clone (`python -m benchmarks.{result['benchmark']}` runs them all):", ""]
    for name, method in result["methods"].items():
        if "commands" in method:
            lines.append(f"- {name}: " + ", ".join(f"`{command}`" for command in method["commands"]))
    return lines
