"""aisle demo: a whole shop in one command, from its data to a served page."""

from __future__ import annotations

import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from aisle.cli.context import CliContext
from aisle.cli.progress import show_progress

if TYPE_CHECKING:
    from aisle.data.online_retail import Prepared
    from aisle.progress import Progress
    from aisle.train.shop.run_directory import RunDirectory
    from aisle.workspace import Workspace

DATA_SETS = ("online_retail", "simulated")
BANNER = "SIMULATED SHOP: this data is made up. The numbers below test the machinery and claim nothing about quality."


@click.command()
@click.option(
    "--dataset",
    type=click.Choice(DATA_SETS),
    help="Default: online_retail, or the simulated shop where that can be neither found nor downloaded.",
)
@click.option(
    "--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="Where the server listens."
)
@click.option("--no-serve", is_flag=True, help="Stop after the evaluation.")
@click.pass_obj
def command(context: CliContext, dataset: str | None, port: int, no_serve: bool) -> None:
    """Import a shop, train, evaluate beside baselines, and serve it.

    The workspace is made in ./aisle-demo (or where -C says); a second demo there goes on with what is there.

    \b
    Example:
      aisle demo --no-serve
    """
    from aisle.cli.evaluate import evaluate_run, write_report
    from aisle.cli.serve import listening, serve
    from aisle.workspace import Workspace

    if not no_serve:
        with listening("127.0.0.1", port):  # say now that the port is taken, not after the training
            pass
    directory = Path("aisle-demo") if context.is_default else context.directory
    with show_progress() as progress:
        name, prepared = _load(dataset, progress)
    simulated = name == "simulated"
    if simulated:
        click.secho(f"\n{BANNER}\n", bold=True)
    workspace = Workspace.create(directory, simulated=simulated)
    with show_progress() as progress:
        _import(workspace, prepared, progress)
        run = _train(workspace, progress)
    with closing(workspace.open_store()) as store, show_progress() as progress:
        report = evaluate_run(store, run, "all", True, progress)
    if simulated:
        click.secho(f"\n{BANNER}\n", bold=True)
    for one in [report, *report.get("more", [])]:
        write_report(one)
    click.echo(f"Workspace: {directory}\nRun: {run.path} (evaluate.json has intervals and paired differences)")
    if not no_serve:
        click.echo(f"Next: a page for people at http://127.0.0.1:{port}/ and the API's description at /docs\n")
        serve(directory, host="127.0.0.1", port=port, workers=1)


def _load(dataset: str | None, progress: Progress) -> tuple[str, Prepared]:
    """The asked-for data; where nobody asked and the real data cannot be had, the simulated shop, and why."""
    from aisle.data import datasets
    from aisle.data.online_retail import Prepared
    from aisle.data.simulate import simulate_shop
    from aisle.errors import BackendUnavailableError

    if dataset != "simulated":
        try:
            return "online_retail", datasets.load(datasets.get("online_retail"), progress)
        except BackendUnavailableError as error:
            if dataset is not None:
                raise
            click.echo(f"No real data: {error}", err=True)
    shop = simulate_shop(num_users=600, num_items=200, num_days=180)
    return "simulated", Prepared(shop.items, shop.events, {})


def _import(workspace: Workspace, prepared: Prepared, progress: Progress) -> None:
    """In through the public door: the same files and the same import as any shop's."""
    from aisle.data import datasets
    from aisle.ingest import import_files

    for rule, count in prepared.dropped.items():
        click.echo(f"left out, {rule}: {count:,} lines", err=True)
    with tempfile.TemporaryDirectory(prefix="aisle-demo-") as folder, closing(workspace.open_store()) as store:
        paths = datasets.write_canonical(prepared, Path(folder))
        for kind in ("items", "events"):
            report = import_files(store, workspace.imports, kind, [paths[kind]], progress=progress)
            totals = report.as_dict()
            click.echo(
                f"{kind}: {totals['accepted']:,} accepted, {totals['duplicates']:,} there before, "
                f"{totals['rejected']:,} rejected",
                err=True,
            )


def _train(workspace: Workspace, progress: Progress) -> RunDirectory:
    from aisle import recipe as recipes
    from aisle.assemble import shop_fitters
    from aisle.train.shop.session import train_in_workspace

    recipe = recipes.load_shop("shop-quick")
    with closing(workspace.open_store()) as store:
        return train_in_workspace(workspace, store, recipe, shop_fitters, jobs=None, progress=progress).run
