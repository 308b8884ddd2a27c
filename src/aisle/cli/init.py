"""aisle init: a new workspace."""

from __future__ import annotations

from pathlib import Path

import click

from aisle.cli.output import write_json


@click.command()
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
def command(directory: Path, as_json: bool) -> None:
    """Make a workspace: a directory with aisle.yaml and the embedded store. What is there already stays.

    \b
    Example:
      aisle init my-shop
    """
    from aisle.workspace import Workspace

    workspace = Workspace.create(directory)
    if as_json:
        paths = {"directory": workspace.directory, "settings": workspace.settings_path, "store": workspace.store_path}
        write_json({name: str(path) for name, path in paths.items()})
        return
    click.echo(f"Made a workspace in {directory}: settings in {workspace.settings_path.name}, store beside them.")
    click.echo(f"Next: aisle -C {directory} import events FILE")
