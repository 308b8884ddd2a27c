"""aisle bench index: what each kind of nearest-neighbour index finds, and what it costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from aisle.cli.hardware import describe_hardware
from aisle.cli.output import write_json, write_table
from aisle.cli.progress import show_progress

if TYPE_CHECKING:
    from aisle.recipe.indexes import IndexSpec

_KINDS = "exact,flat,int8,hnsw,ivf,pq"


@click.command("index")
@click.option("--vectors", "num_vectors", default=100_000, show_default=True, type=click.IntRange(1))
@click.option("--dimension", default=64, show_default=True, type=click.IntRange(1))
@click.option(
    "--kinds", default=_KINDS, show_default=True, help="With settings, where wanted: hnsw:ef_search=64,pq:rerank=0."
)
@click.option("--queries", "num_queries", default=1000, show_default=True, type=click.IntRange(1))
@click.option("-k", default=20, show_default=True, type=click.IntRange(1), help="Results per query.")
@click.option(
    "--filter-share",
    default=0.1,
    show_default=True,
    type=click.FloatRange(0, 1, min_open=True),
    help="Of the vectors, how many the filter allows.",
)
@click.option(
    "--clustered/--random", default=True, show_default=True, help="How vectors lie; random is the worst case."
)
@click.option("--threads", default=1, show_default=True, type=click.IntRange(1))
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0))
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
def bench_index(kinds: str, as_json: bool, **sizes: Any) -> None:
    """Compare kinds of index on made-up unit vectors: recall, latency, memory and time to build.

    A kind that needs more vectors is left out, with the reason; one that --kinds names is an error.

    \b
    Example:
      aisle bench index --vectors 20000 --kinds exact,ivf,ivf:num_probes=64
    """
    from aisle.studies.index_speed import IndexSpeedSettings, measure_index_speed

    specs = {text.strip(): _spec(text.strip()) for text in kinds.split(",")}
    is_asked = click.get_current_context().get_parameter_source("kinds") is not ParameterSource.DEFAULT
    with show_progress() as progress:
        result = measure_index_speed(specs, IndexSpeedSettings(**sizes), progress, is_all_needed=is_asked)
    result["hardware"] = describe_hardware()
    if as_json:
        write_json(result)
        return
    asked = ("recall", "p50_ms", "p95_ms", "p99_ms", "queries_per_second")
    built = ("memory_bytes", "build_seconds")
    for given in ("unfiltered", "filtered"):
        rows = [
            (name, *(one[given][column] for column in asked), *(one[column] for column in built))
            for name, one in result["kinds"].items()
        ]
        click.echo(f"{given}, top {result['k']} of {sizes['num_vectors']:,} x {sizes['dimension']}:")
        write_table(("index", *asked, *built), rows)
    for name, reason in result["left_out"].items():
        click.echo(f"\n{name} is left out: {reason}")
    click.echo(f"\n{result['threads']} threads; load {result['load_average']}; machine: {result['hardware']}")


def _spec(text: str) -> IndexSpec:
    """``kind`` or ``kind:setting=value:...``."""
    from aisle.recipe.indexes import index_spec

    kind, *settings = text.split(":")
    return index_spec({"kind": kind, **{name: value for name, _, value in (one.partition("=") for one in settings)}})
