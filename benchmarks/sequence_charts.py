"""Charts of sequence models: what HSTU costs, and what its size is worth."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from aisle.studies.drawing import COLOURS, Drawing

#: The recipes whose sizes are compared, and what they train.
SIZES_OF = {"ml-1m-sasrec": "SASRec", "ml-1m-hstu": "HSTU", "ml-1m-local-hstu": "HSTU with convolutions"}


def sequence_scale_chart(result: Mapping[str, Any]) -> str:
    """Costs of HSTU over the length of sequences, and of M-FALCON over candidates, all axes logarithmic."""
    width, height, top = 300.0, 240.0, 56.0
    drawing = Drawing(2 * (width + 90), top + height + 84, "What HSTU costs as sequences and candidates grow")
    drawing.text(64, 22, "HSTU: cost over length, and over candidates", size=14, bold=True)
    panels = (
        ("positions of a sequence", "microseconds a position", "length", "microseconds_per_position", "lengths"),
        ("candidates", "milliseconds of a request", "candidates", "milliseconds", "candidates"),
    )
    for panel, (label, unit, axis, measured, part) in enumerate(panels):
        left = 64 + panel * (width + 80)
        rows = result[part]
        values = [one for row in rows for one in row[measured].values()]
        low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
        first, last = math.log10(rows[0][axis]), math.log10(rows[-1][axis])

        def place(across: float, up: float) -> tuple[float, float]:
            right = (math.log10(across) - first) / (last - first)  # noqa: B023  # drawn before the next panel
            return left + right * width, top + height * (1 - (math.log10(up) - low) / (high - low))  # noqa: B023

        for power in range(low, high + 1):
            y = place(rows[0][axis], 10.0**power)[1]
            drawing.line(left, y, left + width, y)
            drawing.text(left - 8, y + 4, f"{10.0**power:g}", anchor="end", size=10)
        for row in rows:
            drawing.text(place(row[axis], 10.0**low)[0], top + height + 16, f"{row[axis]:,}", anchor="middle", size=10)
        drawing.text(left + width / 2, top + height + 36, label, anchor="middle")
        drawing.text(left, top - 8, unit, size=10)
        for number, name in enumerate(rows[0][measured]):
            drawing.path([place(row[axis], row[measured][name]) for row in rows], COLOURS[number])
            drawing.bar(left + 150 * number, top + height + 56, 10, 10, COLOURS[number])
            drawing.text(left + 16 + 150 * number, top + height + 65, name.replace("_", " "))
    return drawing.svg()


def sequence_sizes_chart(result: Mapping[str, Any]) -> str:
    """Quality of SASRec and HSTU over parameters on MovieLens-1M, with 95 % intervals; dashed what others report.

    Args:
        result: The studies of ``lists.json``.
    """
    study = result["studies"]["ml-1m"]
    runs: dict[str, list[Mapping[str, Any]]] = {recipe: [] for recipe in SIZES_OF}
    for method in study["methods"].values():
        recipe = method["command"].split()[2]
        if recipe in runs and method["model"] != "ensemble" and "distill=" not in method["command"]:
            runs[recipe].append(method)
    sizes = [math.log10(method["parameters"]) for methods in runs.values() for method in methods]
    first, last = min(sizes), max(sizes)
    width, height, top = 300.0, 260.0, 56.0
    drawing = Drawing(2 * (width + 100), top + height + 84, "Quality of SASRec and HSTU over their size")
    drawing.text(64, 22, "MovieLens-1M, the next movie: quality over parameters, one seed each", size=14, bold=True)
    for panel, metric in enumerate(study["metrics"][:2]):
        left = 64 + panel * (width + 90)
        published = {
            name: values[panel] for name, values in study["others"].items() if name.startswith(("HSTU", "SASRec"))
        }
        ends = [end for methods in runs.values() for method in methods for end in method["intervals"][metric]]
        low = math.floor(min(*ends, *published.values()) * 100) / 100
        high = math.ceil(max(*ends, *published.values()) * 100) / 100

        def place(parameters: float, value: float) -> tuple[float, float]:
            across = (math.log10(parameters) - first) / (last - first)
            return left + 12 + across * (width - 24), top + height * (1 - (value - low) / (high - low))  # noqa: B023

        for step in range(round((high - low) * 100) + 1):
            y = place(10**first, low + step / 100)[1]
            drawing.line(left, y, left + width, y)
            drawing.text(left - 8, y + 4, f"{low + step / 100:.2f}", anchor="end", size=10)
        for name, value in published.items():
            y = place(10**first, value)[1]
            drawing.line(left, y, left + width, y, "#555555", dashed=True)
            drawing.text(left + width, y - 3, name, anchor="end", size=10)
        for number, methods in enumerate(runs.values()):
            points = sorted((method["parameters"], method["metrics"][metric]) for method in methods)
            for method in methods:
                (x, bottom), (_, upper) = (place(method["parameters"], end) for end in method["intervals"][metric])
                drawing.line(x, bottom, x, upper, COLOURS[number])
            drawing.path([place(*point) for point in points], COLOURS[number])
        drawing.text(left, top - 8, metric.split("/")[1].upper(), size=10)
        for parameters in (10**first, 10**last):
            anchor = "start" if parameters == 10**first else "end"
            drawing.text(place(parameters, low)[0], top + height + 16, f"{parameters:,.0f}", anchor=anchor, size=10)
        drawing.text(left + width / 2, top + height + 36, "parameters", anchor="middle")
    for number, name in enumerate(SIZES_OF.values()):
        drawing.bar(64 + 150 * number, top + height + 56, 10, 10, COLOURS[number])
        drawing.text(80 + 150 * number, top + height + 65, name)
    return drawing.svg()
