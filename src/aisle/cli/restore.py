"""aisle restore: a workspace from its backup."""

from __future__ import annotations

from pathlib import Path

import click

from aisle.cli.output import write_json
from aisle.cli.progress import show_progress


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.argument("directory", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
def command(file: Path, directory: Path, as_json: bool) -> None:
    """Make the workspace DIR from a backup. Every file is checked first; DIR appears whole, or not at all.

    With it come the settings of aisle.yaml, its keys included.

    \b
    Example:
      aisle restore my-shop.tar.zst my-shop-again
    """
    from aisle.backup import restore_workspace

    with show_progress() as progress:
        restored = restore_workspace(file, directory, progress=progress)
    if as_json:
        write_json(
            {
                "directory": str(restored.directory),
                "files": restored.num_files,
                "versions": list(restored.versions),
                "runs": restored.has_runs,
                "clock": restored.clock,
            }
        )
        return
    click.echo(f"Restored {restored.num_files} files, {len(restored.versions)} bundles, as of {restored.clock}.")
    click.echo(f"Next: aisle -C {directory} serve")
