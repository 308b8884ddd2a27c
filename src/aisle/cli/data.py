"""aisle data: named data sets and the simulated shop, as files ready for ``aisle import`` or ``aisle train``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from aisle.cli.output import write_json, write_table
from aisle.cli.progress import show_progress
from aisle.errors import ConfigError

if TYPE_CHECKING:
    from aisle.data.datasets import DataSet
    from aisle.data.online_retail import Prepared
    from aisle.data.tables import TableSet

_JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
_OUTPUT = click.Path(file_okay=False, path_type=Path)


@click.group()
def command() -> None:
    """Named data sets and the shop simulator.

    \b
    Example:
      aisle data get online_retail -o retail
    """


@command.command("list")
@_JSON
def list_data_sets(as_json: bool) -> None:
    """List the data sets that Aisle knows, and where they lie.

    \b
    Example:
      aisle data list --json
    """
    from aisle.data import datasets, tables

    found = [_describe("events", data_set, datasets.locate(data_set)) for data_set in datasets.DATA_SETS.values()]
    found += [_describe("table", table_set, tables.locate(table_set)) for table_set in tables.TABLE_SETS.values()]
    if as_json:
        write_json({"data_sets": found})
        return
    where = "to be had by aisle data get"
    rows = [(str(one["name"]), str(one["kind"]), str(one["summary"]), str(one["path"] or where)) for one in found]
    write_table(("name", "kind", "what", "where"), rows)


@command.command("get")
@click.argument("name")
@click.option("-o", "output", type=_OUTPUT, help="Directory to write; default: the data set's name.")
@_JSON
def get_data_set(name: str, output: Path | None, as_json: bool) -> None:
    """Find or download a data set and write it as items and events, or as the table of a table recipe.

    Looked for in AISLE_DATA, then in the user's cache, then downloaded from its public source. Every line that is left
    out of events is counted by the rule that drops it. A table stays where it was found without -o.

    \b
    Example:
      aisle data get online_retail -o retail
    """
    from aisle.data import datasets, tables

    if name in tables.TABLE_SETS:
        _get_table(name, output, as_json)
        return
    if name not in datasets.DATA_SETS:
        known = ", ".join([*datasets.DATA_SETS, *tables.TABLE_SETS])
        raise ConfigError(f"unknown data set {name!r}; expected one of {known}")
    data_set = datasets.get(name)
    with show_progress() as progress:
        prepared = datasets.load(data_set, progress)
        paths = datasets.write_canonical(prepared, output or Path(name))
    if as_json:
        write_json({"name": name, **_report(prepared, paths)})
        return
    click.echo(f"{data_set.source}; {data_set.licence}.")
    _print_report(prepared, paths)


@command.command("simulate")
@click.option("--users", "num_users", default=300, show_default=True, type=click.IntRange(1))
@click.option("--items", "num_items", default=120, show_default=True, type=click.IntRange(20))
@click.option("--days", "num_days", default=120, show_default=True, type=click.IntRange(1))
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0))
@click.option(
    "--impressions/--no-impressions", default=True, show_default=True, help="Whether events tell what was shown."
)
@click.option("-o", "output", required=True, type=_OUTPUT, help="Directory to write.")
@_JSON
def simulate(
    num_users: int, num_items: int, num_days: int, seed: int, impressions: bool, output: Path, as_json: bool
) -> None:
    """Simulate a shop whose truth is known.

    Beside items and events it writes the truth: truth.json (complements, substitutes, what is used up and when, how far
    down a list eyes go, bots) and truth-*.parquet (each user's taste, each item's style and popularity, each list shown
    with its propensities).

    \b
    Example:
      aisle data simulate --users 500 --seed 1 -o shop
    """
    from aisle.data import datasets
    from aisle.data.online_retail import Prepared
    from aisle.data.simulate import simulate_shop
    from aisle.data.simulator import write_truth

    shop = simulate_shop(num_users, num_items, num_days, seed, impressions=impressions)
    prepared = Prepared(shop.items, shop.events, {})
    paths = datasets.write_canonical(prepared, output) | write_truth(shop.truth, output)
    if as_json:
        write_json({"name": "simulated", "seed": seed, **_report(prepared, paths)})
        return
    click.echo("A simulated shop: nothing in it is a claim about real ones.")
    _print_report(prepared, paths)


def _get_table(name: str, output: Path | None, as_json: bool) -> None:
    import shutil

    import polars as pl

    from aisle.data import tables

    table_set = tables.TABLE_SETS[name]
    with show_progress() as progress:
        path = tables.find(name, progress)
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
        path = Path(shutil.copyfile(path, output / path.name))
    num_rows = pl.scan_parquet(path).select(pl.len()).collect().item()
    if as_json:
        write_json({"name": name, "files": {"table": str(path)}, "rows": num_rows})
        return
    click.echo(f"{table_set.source}; {table_set.licence}.")
    click.echo(f"{num_rows:,} rows: {path}\nNext: aisle train {table_set.recipe} --set data.train={path}")


def _describe(kind: str, known: DataSet | TableSet, path: Path | None) -> dict[str, object]:
    return {
        "name": known.name,
        "kind": kind,
        "summary": known.summary,
        "source": known.source,
        "licence": known.licence,
        "path": str(path) if path else None,
    }


def _report(prepared: Prepared, paths: dict[str, Path]) -> dict[str, object]:
    return {
        "files": {kind: str(path) for kind, path in paths.items()},
        "items": prepared.items["item_id"].n_unique(),
        "item_versions": prepared.items.height,
        "events": prepared.events.height,
        "events_by_type": dict(prepared.events["type"].value_counts(sort=True).iter_rows()),
        "dropped": prepared.dropped,
    }


def _print_report(prepared: Prepared, paths: dict[str, Path]) -> None:
    num_items = prepared.items["item_id"].n_unique()
    click.echo(f"{num_items:,} items in {prepared.items.height:,} versions, {prepared.events.height:,} events.")
    for rule, count in prepared.dropped.items():
        click.echo(f"left out, {rule}: {count:,}")
    click.echo("Next: aisle init my-shop")
    for kind in ("items", "events"):
        click.echo(f"      aisle -C my-shop import {kind} {paths[kind]}")
