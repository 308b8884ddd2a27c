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
