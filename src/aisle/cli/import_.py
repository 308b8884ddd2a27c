"""aisle import: items, users and events from files."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from aisle.cli.context import CliContext
from aisle.cli.output import write_json, write_table
from aisle.cli.progress import show_progress

if TYPE_CHECKING:
    from aisle.ingest import ImportReport


@click.command()
@click.argument("kind", type=click.Choice(["items", "users", "events"]))
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--map",
    "rules",
    multiple=True,
    metavar="FIELD=COLUMN",
    help="Take a field from a column; FIELD:=TEXT for all rows.",
)
@click.option("--max-errors", type=click.IntRange(min=0), help="Stop after more rejected rows in a file than this.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
@click.pass_obj
def command(
    context: CliContext,
    kind: Literal["items", "users", "events"],
    files: tuple[Path, ...],
    rules: tuple[str, ...],
    max_errors: int | None,
    as_json: bool,
) -> None:
    """Bring in items, users or events from CSV, JSONL or Parquet files (also .gz and .zst).

    The same file again adds nothing; an interrupted import goes on where it stopped. Rows that are no records are
    counted by reason and kept, with their lines, in the workspace's folder imports.

    \b
    Examples:
      aisle import items products.csv --map item_id=sku --map title=name
      aisle import events sales.parquet --map type:=purchase --map timestamp=sold_at
    """
    from aisle.ingest import FieldMap, import_files

    workspace = context.open_workspace()
    mapping = FieldMap.parse(kind, rules)
    with closing(workspace.open_store()) as store, show_progress() as progress:
        report = import_files(
            store, workspace.imports, kind, files, mapping=mapping, max_errors=max_errors, progress=progress
        )
    if as_json:
        write_json(report.as_dict())
    else:
        _write(report)


def _write(report: ImportReport) -> None:
    rows = [(one.source, one.rows, one.accepted, one.duplicates, one.rejected) for one in report.files]
    write_table(("file", "rows", "accepted", "duplicates", "rejected"), rows)
    for one in report.files:
        if one.already_imported:
            click.echo(f"{one.source} was imported before; nothing was read again.")
        elif one.resumed_at:
            click.echo(f"{one.source}: went on after row {one.resumed_at:,}.")
        for reason, count in one.reasons.most_common():
            click.echo(f"  {count:,} rejected: {reason}")
        if one.rejects_file:
            click.echo(f"  the rejected rows are in {one.rejects_file}")
        if one.naive_times:
            click.echo(f"  {one.naive_times:,} times had no zone and were taken as UTC")
