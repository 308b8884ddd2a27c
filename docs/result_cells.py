"""Cells of the tables of results: a measured value with its spread, a difference with its interval."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def measured(method: Mapping[str, Any], metric: str) -> str:
    """A metric, with its standard deviation over seeds where there are several."""
    deviation = method.get("deviations", {}).get(metric)
    value = f"{method['metrics'][metric]:.4f}"
    return value if deviation is None else f"{value} ± {deviation:.4f}"


def gap(difference: Mapping[str, Any]) -> str:
    """A difference and its interval."""
    return f"{difference['value']:+.4f} [{difference['low']:+.4f}, {difference['high']:+.4f}]"


def beside(methods: Mapping[str, Any], reference: str) -> list[str]:
    """A row per model: AUC and log loss of the test, both minus a reference's, parameters; empty if unknown."""
    rows = []
    for name, method in methods.items():
        gaps = method.get(f"minus_{reference}", {})
        cells = [name, measured(method, "test/auc"), measured(method, "test/logloss")]
        cells += [gap(gaps[metric]) if metric in gaps else "" for metric in ("auc", "logloss")]
        rows.append(row([*cells, f"{method['parameters']:,}" if method.get("parameters") else ""]))
    return rows


def row(cells: Iterable[str]) -> str:
    """A row of a table."""
    return "| " + " | ".join(cells) + " |"


def listed(seeds: Iterable[int]) -> str:
    """``0, 1, 2``."""
    return ", ".join(map(str, seeds))
