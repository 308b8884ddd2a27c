"""aisle train: fit what a recipe says on the workspace's events, and register the bundle."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import click

from aisle.cli.context import CliContext
from aisle.cli.output import write_json, write_table
from aisle.cli.progress import show_progress


@click.command()
@click.argument("recipe", required=False)
@click.option("--set", "overrides", multiple=True, metavar="A.B=C", help="Override one value of the recipe.")
@click.option("-o", "output", type=click.Path(file_okay=False, path_type=Path), help="The run directory to write.")
@click.option("--resume", is_flag=True, help="Go on with the training that was interrupted, if there is one.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object (metrics.json) on standard output.")
@click.pass_obj
def command(
    context: CliContext,
    recipe: str | None,
    overrides: tuple[str, ...],
    output: Path | None,
    resume: bool,
    as_json: bool,
) -> None:
    """Train the workspace's pipeline by RECIPE (a name or a YAML file; default: shop).

    Everything is fitted twice: before each test window, for honest metrics, and on all data, to serve. The new bundle
    is activated unless its NDCG@20 lies more than .01 below the active one's on the same test window.

    A training that was interrupted, by whatever, goes on with --resume where it was, on the events that it began with,
    and ends as if nothing had happened. Without RECIPE, --set and -o it is the latest one.

    \b
    Example:
      aisle -C my-shop train shop --set windows.horizon_days=14
    """
    from aisle import recipe as recipes
    from aisle.assemble import shop_fitters
    from aisle.train.session import train_in_workspace, unfinished_runs

    workspace = context.open_workspace()
    if resume and recipe is None and output is None and not overrides and (unfinished := unfinished_runs(workspace)):
        output = unfinished[0].path
        parsed = unfinished[0].recipe()
    else:
        parsed = recipes.load(recipe or "shop", list(overrides))
    with closing(workspace.open_store()) as store, show_progress() as progress:
        result = train_in_workspace(
            workspace, store, parsed, shop_fitters(parsed), output=output, resume=resume, progress=progress
        )
    if as_json:
        write_json({**result.metrics, "run": str(result.run.path), "activated": result.activated})
        return
    if not result.metrics["metrics"]:
        click.echo("No metrics: nobody who is known took anything in the test window (see train.log).", err=True)
    write_table(("metric", "value"), list(result.metrics["metrics"].items()))
    state = "active" if result.activated else "not activated: worse than the active one (aisle models activate VERSION)"
    click.echo(f"\nRun: {result.run.path}\nBundle: {result.version} ({state})")
