"""Charts of results, drawn from `benchmarks/results/*.json` alone as plain SVG: the same numbers give the same bytes.

python -m benchmarks.charts
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from aisle.studies.drawing import COLOURS, Drawing
from aisle.studies.profile_chart import profile_chart
from benchmarks.sequence_charts import sequence_scale_chart, sequence_sizes_chart

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
CHARTS = ROOT / "docs" / "results"
PLACEMENT = "for-you"


def calibration_chart(tables: Mapping[str, Sequence[Mapping[str, float]]], subtitle: str) -> str:
    """Observed over predicted rates, both on logarithmic axes; bins in which nothing was taken have no place there.

    Args:
        tables: Tables of calibration, by the name of the ranker.
        subtitle: What they are of.
    """
    size, left, top = 360.0, 64.0, 56.0
    shown = {name: [one for one in table if one["observed"] > 0] for name, table in tables.items()}
    values = [one[axis] for table in shown.values() for one in table for axis in ("predicted", "observed")]
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))

    def place(predicted: float, observed: float) -> tuple[float, float]:
        across, up = ((math.log10(value) - low) / (high - low) for value in (predicted, observed))
        return left + across * size, top + (1 - up) * size

    drawing = Drawing(left + size + 24, top + size + 56, "Calibration of rankers")
    drawing.text(left, 22, "Observed over predicted rates of taking", size=14, bold=True)
    drawing.text(left, 40, subtitle)
    for power in range(low, high + 1):
        x, y = place(10.0**power, 10.0**power)
        drawing.line(x, top, x, top + size)
        drawing.line(left, y, left + size, y)
        drawing.text(x, top + size + 18, f"{10.0**power:g}", anchor="middle")
        drawing.text(left - 8, y + 4, f"{10.0**power:g}", anchor="end")
    drawing.line(*place(10.0**low, 10.0**low), *place(10.0**high, 10.0**high), "#555555", dashed=True)
    drawing.text(left + size / 2, top + size + 40, "mean predicted probability of a bin", anchor="middle")
    drawing.text(left + 10, top + 18, "observed rate")
    for number, (name, table) in enumerate(shown.items()):
        colour = COLOURS[number % len(COLOURS)]
        drawing.path([place(one["predicted"], one["observed"]) for one in table], colour)
        y = top + size - 16 - 18 * (len(shown) - 1 - number)
        drawing.bar(left + size - 170, y - 9, 10, 10, colour)
        drawing.text(left + size - 154, y, name)
    return drawing.svg()


def ablation_chart(result: Mapping[str, Any]) -> str:
    """What NDCG@20 is lost or won by each variant against the whole ranker, by window, with 95 % intervals."""
    windows = result["report"]["windows"]
    names = [name for name in windows[0]["methods"] if name != PLACEMENT]
    gaps = {name: [window["paired"]["differences"][name] for window in windows] for name in names}
    ends = [
        abs(gap[end]) for of_name in gaps.values() for one in of_name for gap in one.values() for end in ("low", "high")
    ]
    reach = math.ceil(max(ends) * 100) / 100
    label, panel, row, top = 280.0, 280.0, 14.0 * len(windows) + 6, 86.0
    drawing = Drawing(label + 2 * panel + 120, top + row * len(names) + 40, "Ablation of the ranker")
    drawing.text(16, 22, "NDCG@20 of each variant minus that of the whole ranker", size=14, bold=True)
    drawing.text(16, 40, f"whiskers: 95 % intervals over visitors; seeds {', '.join(map(str, result['seeds']))}")
    for number in range(len(windows)):
        drawing.bar(16 + 150 * number, 50, 10, 10, COLOURS[number])
        drawing.text(32 + 150 * number, 59, "last window" if number == 0 else "the window before it")
    for place, variant in enumerate(("all", "new")):
        middle = label + 24 + place * (panel + 60) + panel / 2
        drawing.text(middle, top - 8, variant, anchor="middle", bold=True)
        drawing.line(middle, top, middle, top + row * len(names), "#555555")
        for end in (-reach, reach):
            x = middle + end / reach * panel / 2
            drawing.line(x, top, x, top + row * len(names))
            drawing.text(x, top + row * len(names) + 16, f"{end:+.2f}", anchor="middle")
        for line, name in enumerate(names):
            for number, gap in enumerate(one[f"test/ndcg@20/full/{variant}"] for one in gaps[name]):
                _whiskered(drawing, gap, middle, panel / 2 / reach, top + row * line + 14 * number + 3, COLOURS[number])
    for line, name in enumerate(names):
        drawing.text(label, top + row * line + row / 2 + 2, name, anchor="end")
    return drawing.svg()


def _whiskered(drawing: Drawing, gap: Mapping[str, float], middle: float, scale: float, y: float, colour: str) -> None:
    """One bar from the middle with its interval; a report's difference is the whole ranker minus the variant."""
    end, low, high = (middle - gap[key] * scale for key in ("difference", "high", "low"))
    drawing.bar(min(middle, end), y, abs(end - middle), 10, colour)
    drawing.line(low, y + 5, high, y + 5, "#222222")


def closed_loop_chart(result: Mapping[str, Any]) -> str:
    """Expected purchases per visit under each policy, the means of weeks and shops, and learning's lead."""
    width, height, left, top = 520.0, 260.0, 64.0, 56.0
    weeks = {name: _weekly(daily) for name, daily in result["daily"].items()}
    num_weeks = len(next(iter(weeks.values())))
    reach = math.ceil(max(max(values) for values in weeks.values()) * 50) / 50
    drawing = Drawing(left + width + 24, top + height + 112, "A shop that goes on learning")
    drawing.text(left, 22, "Expected purchases per visit from the list shown, by the truth", size=14, bold=True)
    sizes = result["sizes"]
    drawing.text(
        left, 40, f"means of {len(result['seeds'])} simulated shops; trained every {sizes['retrain_days']} days"
    )
    for step in range(5):
        y = top + height * (1 - step / 4)
        drawing.line(left, y, left + width, y)
        drawing.text(left - 8, y + 4, f"{reach * step / 4:.3f}", anchor="end")
    across = width / max(num_weeks - 1, 1)
    for week in range(num_weeks):
        drawing.text(left + week * across, top + height + 18, f"{week + 1}", anchor="middle")
    drawing.text(left + width / 2, top + height + 36, "week", anchor="middle")
    for number, (name, values) in enumerate(weeks.items()):
        points = [(left + week * across, top + height * (1 - value / reach)) for week, value in enumerate(values)]
        drawing.path(points, COLOURS[number])
        drawing.bar(left + 150 * number, top + height + 50, 10, 10, COLOURS[number])
        drawing.text(left + 16 + 150 * number, top + height + 59, name)
    for row, (other, gap) in enumerate(result["learning_minus"].items()):
        lead = f"{gap['difference']:+.4f} [{gap['low']:+.4f}, {gap['high']:+.4f}]"
        drawing.text(left, top + height + 82 + 16 * row, f"learning over {other}: {lead}")
    return drawing.svg()


def train_scale_chart(result: Mapping[str, Any]) -> str:
    """Microseconds a sample over the rows of tables, and over the batch, one line per number of threads."""
    width, height, top = 300.0, 240.0, 56.0
    drawing = Drawing(2 * (width + 90), top + height + 84, "The cost of a training step against scale")
    drawing.text(64, 22, "A training step of DLRM: microseconds a sample", size=14, bold=True)
    steps = result["steps"]
    common = steps[0]["batch_size"]
    rows_of_base = next(step["table_rows"] for step in steps if step["batch_size"] != common)
    panels = (
        ("rows of a table", "table_rows", [step for step in steps if step["batch_size"] == common]),
        ("rows of a batch", "batch_size", [step for step in steps if step["table_rows"] == rows_of_base]),
    )
    reach = math.ceil(max(step["microseconds_per_sample"] for step in steps) / 10) * 10
    threads = sorted({step["threads"] for step in steps})
    for panel, (label, axis, shown) in enumerate(panels):
        left = 64 + panel * (width + 80)
        _grid(drawing, left, top, width, height, reach)
        values = sorted({step[axis] for step in shown})
        low, high = math.log10(values[0]), math.log10(values[-1])
        place = {value: left + width * (math.log10(value) - low) / (high - low) for value in values}
        for value in values:
            drawing.text(place[value], top + height + 16, f"{value:,}", anchor="middle", size=10)
        drawing.text(left + width / 2, top + height + 36, label, anchor="middle")
        for number, one in enumerate(threads):
            of_threads = {step[axis]: step["microseconds_per_sample"] for step in shown if step["threads"] == one}
            points = [(place[value], top + height * (1 - of_threads[value] / reach)) for value in sorted(of_threads)]
            drawing.path(points, COLOURS[number])
    for number, one in enumerate(threads):
        drawing.bar(64 + 150 * number, top + height + 56, 10, 10, COLOURS[number])
        drawing.text(80 + 150 * number, top + height + 65, f"{one} thread{'s' if one > 1 else ''}")
    return drawing.svg()


def _grid(drawing: Drawing, left: float, top: float, width: float, height: float, reach: float) -> None:
    for step in range(5):
        y = top + height * (1 - step / 4)
        drawing.line(left, y, left + width, y)
        drawing.text(left - 8, y + 4, f"{reach * step / 4:g}", anchor="end")


def _weekly(daily: Sequence[float]) -> list[float]:
    """Means of seven days; the last week may be shorter."""
    weeks = [daily[start : start + 7] for start in range(0, len(daily), 7)]
    return [sum(week) / len(week) for week in weeks]


#: Charts, each of one result file.
DRAWN_FROM: Mapping[str, tuple[str, Callable[[Mapping[str, Any]], str]]] = {
    "ablation.svg": ("ranker_ablation.json", ablation_chart),
    "closed_loop.svg": ("closed_loop.json", closed_loop_chart),
    "profile_criteo.svg": ("profile_criteo.json", profile_chart),
    "train_scale.svg": ("train_scale.json", train_scale_chart),
    "sequence_scale.svg": ("sequence_scale.json", sequence_scale_chart),
    "sequence_sizes.svg": ("lists.json", sequence_sizes_chart),
}


def charts(results: Path) -> dict[str, str]:
    """The charts of the results at hand, by file name.

    Args:
        results: The folder; results of rankers may not have been measured yet.
    """
    drawn = {}
    retail = results / "online_retail.json"
    if retail.is_file() and (rankers := json.loads(retail.read_text(encoding="utf-8")).get("rankers")):
        tables = {name: windows[0]["calibration"] for name, windows in rankers.items()}
        counts = rankers[PLACEMENT][0]["counts"]
        subtitle = f"last window: {counts['lists']:,} whole lists, {counts['rows']:,} candidates"
        drawn["calibration.svg"] = calibration_chart(tables, subtitle)
    for chart, (source, draw) in DRAWN_FROM.items():
        path = results / source
        if path.is_file():
            drawn[chart] = draw(json.loads(path.read_text(encoding="utf-8")))
    return drawn


def main() -> None:
    """Draw and write."""
    CHARTS.mkdir(parents=True, exist_ok=True)
    for name, svg in charts(RESULTS).items():
        (CHARTS / name).write_text(svg, encoding="utf-8")
        print(CHARTS / name)


if __name__ == "__main__":
    main()
