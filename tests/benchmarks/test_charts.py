"""Charts: marks where the numbers are, and committed charts are those of the committed results."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest

from benchmarks.charts import (
    CHARTS,
    PLACEMENT,
    RESULTS,
    ablation_chart,
    calibration_chart,
    charts,
    train_scale_chart,
)
from benchmarks.sequence_charts import sequence_sizes_chart


def circles(svg: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', svg)]


def test_a_calibrated_bin_lies_on_the_diagonal() -> None:
    bins = [
        {"predicted": 0.01, "observed": 0.01, "rows": 9},
        {"predicted": 0.1, "observed": 0.05, "rows": 9},
        {"predicted": 0.001, "observed": 0.0, "rows": 9},
    ]
    svg = calibration_chart({"for-you": bins}, "two < three")
    assert "two &lt; three" in svg
    (x1, y1), (x2, y2) = circles(svg)
    # Axes from .01 to .1 over 360 pixels, from (64, 416) up.
    assert (x1, y1) == (64, 416)
    assert (x2, y2) == pytest.approx((64 + 360, 416 - 360 * math.log10(5)), abs=0.06)


def result(*differences: float) -> dict[str, Any]:
    def gap(difference: float) -> dict[str, Any]:
        values = {"difference": difference, "low": difference - 0.001, "high": difference + 0.001}
        return {f"test/ndcg@20/full/{variant}": values for variant in ("all", "new")}

    windows = [
        {"methods": {PLACEMENT: {}, "without it": {}}, "paired": {"differences": {"without it": gap(difference)}}}
        for difference in differences
    ]
    return {"seeds": [0, 1], "report": {"windows": windows}}


def test_a_loss_is_a_bar_to_the_left() -> None:
    svg = ablation_chart(result(0.009, -0.003))
    bars = [
        tuple(map(float, found)) for found in re.findall(r'x="([\d.]+)" y="[\d.]+" width="([\d.]+)" height="10.0"', svg)
    ]
    legend, marks = bars[:2], bars[2:]
    assert len(legend) == 2
    assert len(marks) == 4, "two windows, two variants"
    # The scale ends at .01, 140 pixels from the middle, which lies at 444 for `all`.
    (lost_x, lost), (won_x, won) = marks[:2]
    assert (lost_x, lost) == pytest.approx((444 - 126, 126), abs=0.06)
    assert (won_x, won) == pytest.approx((444, 42), abs=0.06)


def test_the_same_numbers_give_the_same_bytes() -> None:
    assert ablation_chart(result(0.01, 0.0)) == ablation_chart(result(0.01, 0.0))


def test_committed_charts_are_those_of_the_committed_results() -> None:
    drawn = charts(RESULTS)
    assert {path.name for path in CHARTS.glob("*.svg")} == set(drawn), "run: python -m benchmarks.charts"
    for name, svg in drawn.items():
        assert (CHARTS / name).read_text(encoding="utf-8") == svg, f"{name}: run: python -m benchmarks.charts"


def test_the_cost_of_scale_has_a_line_for_each_number_of_threads() -> None:
    steps = [
        {"threads": threads, "table_rows": rows, "batch_size": batch, "microseconds_per_sample": 10.0 / threads}
        for threads in (1, 2)
        for rows, batch in ((100, 32), (1000, 32), (100, 8), (100, 64))
    ]
    svg = train_scale_chart({"steps": steps})
    assert svg.count("<polyline") == 4
    assert "rows of a table" in svg and "rows of a batch" in svg and "2 threads" in svg


def test_quality_rises_with_the_place_of_its_dot() -> None:
    metrics = ["test/hr@10/full", "test/ndcg@10/full"]

    def method(recipe: str, kind: str, parameters: int, value: float) -> dict[str, Any]:
        return {
            "command": f"aisle train {recipe} --set model.dim=8",
            "model": kind,
            "parameters": parameters,
            "metrics": dict.fromkeys(metrics, value),
            "intervals": {metric: [value - 0.01, value + 0.01] for metric in metrics},
        }

    methods = {
        "wide": method("ml-1m-hstu", "hstu", 1000, 0.29),
        "small": method("ml-1m-hstu", "hstu", 100, 0.27),
        "sasrec": method("ml-1m-sasrec", "sasrec", 10, 0.25),
        "mean": method("ml-1m-hstu", "ensemble", 10_000, 0.31),
        "ridge": method("ml-1m-ridge", "next-item-ridge", 0, 0.26),
        "student": method("ml-1m-hstu", "hstu", 1000, 0.32),
    }
    methods["student"]["command"] += " --set 'distill={runs: [RUNS/wide]}'"
    others = {"HSTU-large (others)": [0.32, 0.30], "GRU4Rec (others)": [0.9, 0.9]}
    study = {"metrics": metrics, "methods": methods, "others": others}
    drawn = sequence_sizes_chart({"studies": {"ml-1m": study}})
    dots = circles(drawn)
    assert len(dots) == 6, "three networks in two panels: no mean of several, no ridge, nothing that others taught"
    (x1, y1), (x2, y2), (x3, y3) = dots[:3]
    assert x1 < x2 < x3 and y1 > y2 > y3, "SASRec, then HSTU from small to wide"
    assert (x2 - x1) == pytest.approx(x3 - x2, abs=0.11), "the axis is logarithmic"
    assert "HSTU-large (others)" in drawn and "GRU4Rec" not in drawn
