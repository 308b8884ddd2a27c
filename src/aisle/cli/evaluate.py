"""aisle evaluate: a run's split fits under a named protocol, beside strong simple baselines; or a table or lists."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aisle.cli.action_training import evaluate_actions
from aisle.cli.context import CliContext
from aisle.cli.list_training import evaluate_list
from aisle.cli.output import write_json, write_table
from aisle.cli.progress import show_progress

if TYPE_CHECKING:
    from aisle.progress import Progress
    from aisle.store import Store
    from aisle.train.shop.run_directory import RunDirectory

PROTOCOLS = ("shop-temporal", "basket-completion")


@click.command()
@click.argument("run", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--protocol", type=click.Choice([*PROTOCOLS, "all"]), default="all", show_default=True)
@click.option("--baselines", is_flag=True, help="Fit and score the baselines too.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
@click.pass_obj
def command(context: CliContext, run: Path | None, protocol: str, baselines: bool, as_json: bool) -> None:
    """Evaluate RUN (default: the workspace's latest) on its test windows; writes evaluate.json there.

    A run over a table, lists or actions needs no workspace: its bundle alone scores the test rows or questions anew.

    \b
    Examples:
      aisle -C my-shop evaluate --baselines
      aisle evaluate runs/dlrm
    """
    from aisle.errors import DataError
    from aisle.train.lists.action_directory import is_action_run
    from aisle.train.lists.directory import is_list_run
    from aisle.train.shop.run_directory import open_run
    from aisle.train.tables.directory import is_table_run

    kinds = (
        ("actions", is_action_run, evaluate_actions),  # before tables, whose runs are known by their predictions
        ("a table", is_table_run, _evaluate_table),
        ("lists", is_list_run, evaluate_list),
    )
    for kind, is_of_it, evaluate in kinds:
        if run is not None and is_of_it(run):
            if protocol != "all" or baselines:
                raise click.UsageError(
                    f"--protocol, --baselines: only the run of a shop takes them, this one is of {kind}"
                )
            evaluate(run, as_json)
            return
    workspace = context.open_workspace()
    if run is None:
        finished = sorted(path.parent for path in workspace.runs.glob("*/metrics.json"))
        if not finished:
            raise DataError(f"{workspace.runs}: expected a finished run, found none; run `aisle train` first")
        run = finished[-1]
    opened = open_run(run)
    with closing(workspace.open_store()) as store, show_progress() as progress:
        report = evaluate_run(store, opened, protocol, baselines, progress)
    if as_json:
        write_json(report)
        return
    if workspace.config.simulated:
        click.echo("Simulated data: these numbers test the machinery and claim nothing about quality.\n")
    for one in [report, *report.get("more", [])]:
        write_report(one)


def _evaluate_table(run: Path, as_json: bool) -> None:
    from aisle.train.tables.directory import TableDirectory
    from aisle.train.tables.evaluation import evaluate_table

    with show_progress() as progress:
        report = evaluate_table(TableDirectory(run.resolve()), progress)
    if as_json:
        write_json(report)
        return
    click.echo(", ".join(f"{count:,} {name} rows" for name, count in report["counts"].items()))
    write_table(("metric", "value"), [(name, f"{value:.5f}") for name, value in report["metrics"].items()])


def evaluate_run(store: Store, run: RunDirectory, protocol: str, baselines: bool, progress: Progress) -> dict[str, Any]:
    """The report of a run under one protocol, or under all (the first one's, the others in ``more``); written there."""
    from aisle.data.snapshots import ShopLog
    from aisle.errors import DataError
    from aisle.evaluate.baselines import basket_baselines, user_baselines
    from aisle.evaluate.basket_completion import evaluate_baskets
    from aisle.evaluate.baskets import hide_one_of_each
    from aisle.evaluate.shop_temporal import evaluate_windows
    from aisle.train.shop.pipelines import signals_of

    recipe = run.recipe()
    signals = signals_of(recipe)
    log = ShopLog.read(store)
    tests = run.tests(log)
    reports = []
    if protocol in ("shop-temporal", "all"):
        chosen = user_baselines(signals) if baselines else {}
        reports.append(evaluate_windows(tests, chosen, progress=progress))
    if protocol == "basket-completion" or (protocol == "all" and "bought-together" in recipe.placements):
        window, pipeline = tests[0]
        baskets = hide_one_of_each(log, window, recipe.target)
        if baskets:
            chosen_baskets = basket_baselines(signals) if baselines else {}
            reports.append(evaluate_baskets(window, pipeline, baskets, chosen_baskets, progress=progress))
    if not reports:
        raise DataError(
            f"basket-completion: expected baskets of 3 or more known items in the {recipe.windows.horizon_days} days "
            "after the split, received none; use --protocol shop-temporal"
        )
    report = reports[0]
    if len(reports) > 1:
        report["more"] = reports[1:]
    run.write_evaluation(report)
    return report


def write_report(report: dict[str, Any]) -> None:
    """A table of methods by metrics, the placement first."""
    counts = ", ".join(f"{name} {count:,}" for name, count in report["counts"].items())
    click.echo(f"{report['protocol']} ({counts})")
    _write_methods(report["methods"])
    if "all_windows" in report and len(report["windows"]) > 1:
        click.echo(f"Mean of {len(report['windows'])} windows")
        _write_methods(report["all_windows"]["methods"])
    if "ranker" in report:
        counts, metrics = report["ranker"]["counts"], report["ranker"]["metrics"]
        click.echo(f"Probabilities on whole candidate lists ({counts['lists']:,} lists, {counts['rows']:,} rows)")
        write_table(("metric", "value"), [(name.removeprefix("test/"), value) for name, value in metrics.items()])
        click.echo()


def _write_methods(methods: dict[str, Any]) -> None:
    metrics = list(next(iter(methods.values()))["metrics"])
    header = ("method", "role", *(metric.removeprefix("test/").replace("/full", "") for metric in metrics))
    write_table(header, [(name, one["role"], *one["metrics"].values()) for name, one in methods.items()])
    click.echo()
