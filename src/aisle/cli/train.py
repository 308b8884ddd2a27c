"""aisle train: fit what a recipe says; a shop's on its workspace's events, others on the files that they name."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from aisle.cli.context import CliContext
from aisle.cli.output import write_json, write_table
from aisle.cli.progress import show_progress

if TYPE_CHECKING:
    from aisle.recipe import ShopRecipe
    from aisle.train.shop.activation import Activate


@click.command()
@click.argument("recipe", required=False)
@click.option("--set", "overrides", multiple=True, metavar="A.B=C", help="Override one value of the recipe.")
@click.option("-o", "output", type=click.Path(file_okay=False, path_type=Path), help="The run directory to write.")
@click.option("--resume", is_flag=True, help="Go on with the training that was interrupted, if there is one.")
@click.option(
    "--seeds",
    metavar="0,1,2",
    help="Of a table, lists or actions: train once for each seed; report mean and spread.",
)
@click.option(
    "--folds",
    type=click.IntRange(2, 255),
    help="Of a table: train once without each fold, and predict it, for students (recipe: distill).",
)
@click.option(
    "--procs",
    type=click.IntRange(1),
    help="Of a table: processes that share the embedding tables and the rows of every batch; Aisle starts them itself, "
    "no torchrun is needed.  [default: 1]",
)
@click.option(
    "--activate",
    type=click.Choice(["auto", "always", "never"]),
    help="Of a shop: whether the new bundle serves.  [default: auto, unless it is worse]",
)
@click.option(
    "--jobs",
    type=click.IntRange(1),
    help="Of a shop: processes that make parts of it side by side, each with the memory of one.  [default: 2; 1 for a "
    "small shop]",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object (metrics.json) on standard output.")
@click.pass_obj
def command(
    context: CliContext,
    *,
    recipe: str | None,
    overrides: tuple[str, ...],
    output: Path | None,
    resume: bool,
    seeds: str | None,
    folds: int | None,
    procs: int | None,
    activate: Activate | None,
    jobs: int | None,
    as_json: bool,
) -> None:
    """Train by RECIPE (a name or a YAML file; default: shop).

    The recipe of a shop is trained in the workspace. Everything is fitted twice: before each test window, for honest
    metrics, and on all data, to serve. The new bundle is activated unless its NDCG@20 lies more than .01 below the
    active one's on the same test window, or as --activate says.

    The recipe of a table, of lists (kind: sequence) or of actions needs no workspace: it names its data. The run
    directory gets metrics, what was predicted of the test sets, and a bundle.

    A training that was interrupted, by whatever, goes on with --resume where it was, on the data that it began with,
    and ends as if nothing had happened. Without RECIPE and --set it is the one at -o, or the workspace's latest one.

    \b
    Examples:
      aisle -C my-shop train shop --set windows.horizon_days=14
      aisle train criteo --set model.kind=dcn-v2 --seeds 0,1,2 -o runs/dcn-v2
      aisle train ml-1m-sasrec --set train.epochs=40 -o runs/sasrec
      aisle train criteo --set training.table_optimizer=row_wise_adagrad --set training.table_l2=0 --procs 2
    """
    from aisle import recipe as recipes
    from aisle.cli.action_training import train_action_run
    from aisle.cli.list_training import train_list_run
    from aisle.cli.run_options import RunOptions, parse_seeds, unfinished_recipe
    from aisle.cli.table_training import train_table_run

    options = RunOptions(output, resume, parse_seeds(seeds), folds, procs, as_json)
    told_nothing = recipe is None and not overrides
    parsed: recipes.Recipe | None = None
    if resume and told_nothing and output is not None:
        parsed = unfinished_recipe(output)
    if parsed is None and not (resume and told_nothing):
        parsed = recipes.load(recipe or "shop", list(overrides))
    if isinstance(parsed, recipes.TableRecipe):
        _refuse("shop", {"--activate": activate, "--jobs": jobs})
        train_table_run(parsed, options)
    elif isinstance(parsed, recipes.ListRecipe):
        _refuse("shop", {"--activate": activate, "--jobs": jobs})
        _refuse("table", {"--folds": folds, "--procs": procs})
        train_list_run(parsed, options)
    elif isinstance(parsed, recipes.ActionRecipe):
        _refuse("shop", {"--activate": activate, "--jobs": jobs})
        _refuse("table", {"--folds": folds, "--procs": procs})
        train_action_run(parsed, options)
    else:
        _refuse("table, of lists or of actions", {"--seeds": seeds})
        _refuse("table", {"--folds": folds, "--procs": procs})
        _train_shop(context, parsed, output, resume, activate, jobs, as_json)


def _refuse(kind: str, options: dict[str, object]) -> None:
    """Say that an option is for recipes of another kind."""
    given = [name for name, value in options.items() if value is not None]
    if given:
        raise click.UsageError(
            f"{', '.join(given)}: only the recipe of a {kind} takes it, the recipe is of another kind"
        )


def _train_shop(
    context: CliContext,
    parsed: ShopRecipe | None,
    output: Path | None,
    resume: bool,
    activate: Activate | None,
    jobs: int | None,
    as_json: bool,
) -> None:
    """Train in the workspace; without a recipe what was interrupted there, or the shop's own."""
    from aisle import recipe as recipes
    from aisle.assemble import shop_fitters
    from aisle.train.shop.session import train_in_workspace
    from aisle.train.shop.unfinished import unfinished_training

    workspace = context.open_workspace()
    if parsed is None:
        unfinished = unfinished_training(workspace, output)
        output, parsed = (output, recipes.load_shop("shop")) if unfinished is None else unfinished
    try:
        with closing(workspace.open_store()) as store, show_progress() as progress:
            result = train_in_workspace(
                workspace,
                store,
                parsed,
                shop_fitters,
                output=output,
                resume=resume,
                activate=activate or "auto",
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
