"""aisle data: named data sets and the simulated shop, as files ready for ``aisle import``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from aisle.cli.output import write_json, write_table
from aisle.cli.progress import show_progress

if TYPE_CHECKING:
    from aisle.data.online_retail import Prepared

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
    from aisle.data import datasets

    found = {name: datasets.locate(data_set) for name, data_set in datasets.DATA_SETS.items()}
    if as_json:
        write_json({"data_sets": [_describe(name, path) for name, path in found.items()]})
        return
    rows = [
        (name, datasets.get(name).summary, str(path) if path else "to be downloaded") for name, path in found.items()
    ]
    write_table(("name", "what", "where"), rows)


@command.command("get")
@click.argument("name")
@click.option("-o", "output", type=_OUTPUT, help="Directory to write; default: the data set's name.")
@_JSON
def get_data_set(name: str, output: Path | None, as_json: bool) -> None:
    """Find or download a data set and write it as items and events.

    Looked for in AISLE_DATA, then in the user's cache, then downloaded from its public source. Every line that is left
    out is counted by the rule that drops it.

    \b
    Example:
      aisle data get online_retail -o retail
    """
    from aisle.data import datasets

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


def _describe(name: str, path: Path | None) -> dict[str, object]:
    from aisle.data import datasets

    data_set = datasets.get(name)
    return {
        "name": name,
        "summary": data_set.summary,
        "source": data_set.source,
        "licence": data_set.licence,
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
