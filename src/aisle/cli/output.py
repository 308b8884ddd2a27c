"""Reports on standard output: one JSON object, or a table for people."""

from __future__ import annotations

from collections.abc import Sequence

import click
import orjson


def write_json(value: dict[str, object]) -> None:
    """Write one JSON object and nothing else."""
    click.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY).decode())


def write_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Write aligned columns; numbers to the right."""
    cells = [[_text(value) for value in row] for row in rows]
    widths = [max([len(name), *(len(row[place]) for row in cells)]) for place, name in enumerate(header)]
    is_number = [all(isinstance(row[place], int | float) for row in rows) for place in range(len(header))]
    for row in [list(header), *cells]:
        columns = zip(row, widths, is_number, strict=True)
        line = "  ".join(cell.rjust(width) if right else cell.ljust(width) for cell, width, right in columns)
        click.echo(line.rstrip())


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
