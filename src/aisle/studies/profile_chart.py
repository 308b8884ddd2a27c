"""The chart of a profile: the time of each part of a training step by phase, and the costliest operators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aisle.studies.drawing import COLOURS, Drawing

_PHASES = ("forward", "backward", "update", "other")
_COLOURS = (*COLOURS, "#b8c4d0")
_TOP_OPERATORS = 12
_LABEL, _PANEL, _ROW, _BAR = 190.0, 420.0, 20.0, 14.0


def profile_chart(result: Mapping[str, Any]) -> str:
    """A bar per part, cut into phases, and one per operator; each panel has its own scale.

    Args:
        result: See :func:`aisle.studies.profile.profile_training`.
    """
    parts, operators, step = result["parts"], result["operators"][:_TOP_OPERATORS], result["step"]
    middle = 96 + _ROW * len(parts)
    drawing = Drawing(_LABEL + _PANEL + 130, middle + 50 + _ROW * len(operators), "Profile of a training step")
    drawing.text(16, 22, f"A training step of {result['model']['kind']} on {result['recipe']}", size=14, bold=True)
    batch, precision = result["training"]["batch_size"], result["training"]["precision"]
    how = f"{batch:,} rows, {precision}, threads: {result['threads']}"
    drawing.text(16, 40, f"{step['unobserved_ms']:.1f} ms without hooks; {how}")
    for number, phase in enumerate(_PHASES):
        drawing.bar(_LABEL + 100 * number, 54, 10, 10, _COLOURS[number])
        drawing.text(_LABEL + 16 + 100 * number, 63, phase)
    phases = [[part.get(f"{phase}_ms", 0.0) for phase in _PHASES] for part in parts]
    _bars(drawing, 76, parts, phases)
    drawing.text(16, middle + 10, "Operators, their own time under torch's profiler", bold=True)
    _bars(drawing, middle + 24, operators, [[one["ms"]] for one in operators])
    return drawing.svg()


def _bars(drawing: Drawing, top: float, rows: Sequence[Mapping[str, Any]], lengths: Sequence[Sequence[float]]) -> None:
    """A row of stacked bars each, with milliseconds and share behind it."""
    scale = _PANEL / max(sum(pieces) for pieces in lengths)
    for number, (row, pieces) in enumerate(zip(rows, lengths, strict=True)):
        x, y = _LABEL, top + _ROW * number
        drawing.text(_LABEL - 8, y + _BAR - 3, row["name"], anchor="end")
        for piece, colour in zip(pieces, _COLOURS, strict=False):
            drawing.bar(x, y, piece * scale, _BAR, colour)
            x += piece * scale
        drawing.text(x + 6, y + _BAR - 3, f"{row['ms']:.2f} ms, {row['share']:.1%}")
