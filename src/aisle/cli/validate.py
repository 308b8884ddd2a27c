"""aisle validate: is this data fit to learn from?"""

from __future__ import annotations

from contextlib import closing

import click

from aisle.cli.context import CliContext
from aisle.cli.output import write_json
from aisle.cli.progress import show_progress
from aisle.errors import DataError


@click.command()
@click.option("--strict", is_flag=True, help="Fail where something stands against training.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
@click.pass_obj
def command(context: CliContext, strict: bool, as_json: bool) -> None:
    """Check the workspace's data before training: gaps, order, unknown ids, too little data, with advice.

    \b
    Example:
      aisle -C my-shop validate
    """
    from aisle.ingest.validation import validate

    with closing(context.open_workspace().open_store()) as store, show_progress() as progress:
        report = validate(store, progress)
    if as_json:
        write_json(report.as_dict())
    else:
        click.echo(
            f"{report.num_events:,} events of {report.num_users:,} users and {report.num_items:,} items, "
            f"{report.first or '-'} to {report.last or '-'}; {report.num_catalogue:,} items in the catalogue"
        )
        for one in report.findings:
            click.echo(f"{one.severity.upper():8}{one.code}: {one.message}\n        {one.advice}")
        click.echo("Nothing stands against training." if report.is_fit else "This is not enough to train on.")
    if strict and not report.is_fit:
        codes = ", ".join(one.code for one in report.findings if one.severity == "error")
        raise DataError(f"the data is not fit to train on: {codes}; the advice is in the report")
