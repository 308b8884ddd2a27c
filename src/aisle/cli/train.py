"""aisle train: fit what a recipe says on the workspace's events, and register the bundle."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from aisle.cli.context import CliContext
from aisle.cli.output import write_json, write_table
from aisle.cli.progress import show_progress

if TYPE_CHECKING:
    from aisle.train.activation import Activate


@click.command()
@click.argument("recipe", required=False)
@click.option("--set", "overrides", multiple=True, metavar="A.B=C", help="Override one value of the recipe.")
@click.option("-o", "output", type=click.Path(file_okay=False, path_type=Path), help="The run directory to write.")
@click.option("--resume", is_flag=True, help="Go on with the training that was interrupted, if there is one.")
@click.option(
    "--activate",
    type=click.Choice(["auto", "always", "never"]),
    default="auto",
    show_default=True,
    help="Whether the new bundle serves; auto: unless it is worse.",
)
@click.option(
    "--jobs",
    type=click.IntRange(1),
    help="Processes that make parts of it side by side, each with the memory of one.  [default: 2; 1 for a small shop]",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object (metrics.json) on standard output.")
@click.pass_obj
def command(
    context: CliContext,
    recipe: str | None,
    overrides: tuple[str, ...],
    output: Path | None,
    resume: bool,
    activate: Activate,
    jobs: int | None,
    as_json: bool,
) -> None:
    """Train the workspace's pipeline by RECIPE (a name or a YAML file; default: shop).

    Everything is fitted twice: before each test window, for honest metrics, and on all data, to serve. The new bundle
    is activated unless its NDCG@20 lies more than .01 below the active one's on the same test window, or as --activate
    says.

    A training that was interrupted, by whatever, goes on with --resume where it was, on the events that it began with,
    and ends as if nothing had happened. Without RECIPE and --set it is the one at -o, or the latest one.

    \b
    Example:
      aisle -C my-shop train shop --set windows.horizon_days=14
    """
    from aisle import recipe as recipes
    from aisle.assemble import shop_fitters
    from aisle.train.session import train_in_workspace
    from aisle.train.unfinished import unfinished_training

    workspace = context.open_workspace()
    unfinished = unfinished_training(workspace, output) if resume and recipe is None and not overrides else None
    if unfinished is not None:
        output, parsed = unfinished
    else:
        parsed = recipes.load_shop(recipe or "shop", list(overrides))
    try:
        with closing(workspace.open_store()) as store, show_progress() as progress:
            result = train_in_workspace(
                workspace,
                store,
                parsed,
                shop_fitters,
                output=output,
                resume=resume,
                activate=activate,
                jobs=jobs,
                progress=progress,
            )
    except KeyboardInterrupt:
        click.echo("What is finished is kept: aisle train --resume goes on.", err=True)
        raise
    if as_json:
        write_json({**result.metrics, "run": str(result.run.path), "activated": result.activated})
        return
    if not result.metrics["metrics"]:
        click.echo("No metrics: nobody who is known took anything in the test window (see train.log).", err=True)
    write_table(("metric", "value"), list(result.metrics["metrics"].items()))
    reason = "--activate never" if activate == "never" else "worse than the active one"
    state = "active" if result.activated else f"not activated: {reason} (aisle models activate VERSION)"
    click.echo(f"\nRun: {result.run.path}\nBundle: {result.version} ({state})")
