"""aisle backup: a whole workspace in one file, while its server goes on."""

from __future__ import annotations

from pathlib import Path

import click

from aisle.cli.context import CliContext
from aisle.cli.output import write_json
from aisle.cli.progress import show_progress


@click.command()
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A new file, by custom NAME.tar.zst.",
)
@click.option("--runs/--no-runs", default=True, show_default=True, help="Save the runs of the bundles, too.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
@click.pass_obj
def command(context: CliContext, output: Path, runs: bool, as_json: bool) -> None:
    """Save the workspace to one file: settings, store, registered bundles and their runs.

    Servers and imports may go on writing: what was acknowledged before the backup began is in it. The file holds the
    keys of aisle.yaml and the shop's personal data; keep it as safe as the workspace itself.

    \b
    Example:
      aisle -C my-shop backup -o my-shop.tar.zst
    """
    from aisle.backup import save_workspace

    workspace = context.open_workspace()
    with show_progress() as progress:
        saved = save_workspace(workspace, output, runs=runs, progress=progress)
    if as_json:
        write_json(
            {
                "file": str(saved.path),
                "bytes": saved.num_bytes,
                "files": saved.num_files,
                "events": saved.num_events,
                "versions": list(saved.versions),
                "runs": saved.has_runs,
            }
        )
        return
    click.echo(
        f"Saved {saved.num_events:,} events and {len(saved.versions)} bundles to {saved.path} "
        f"({saved.num_files} files, {saved.num_bytes:,} bytes). It holds keys and personal data: keep it safe."
    )
