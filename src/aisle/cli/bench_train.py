"""aisle bench train: a step of DLRM beside plain PyTorch, the networks alone, and the limits of the machine."""

from __future__ import annotations

from typing import Any

import click

from aisle.cli.hardware import describe_hardware
from aisle.cli.output import write_json, write_table
from aisle.cli.progress import show_progress


@click.command("train")
@click.option("--batch-size", default=2048, show_default=True, type=click.IntRange(1))
@click.option("--tables", "num_tables", default=26, show_default=True, type=click.IntRange(1))
@click.option("--rows", "table_rows", default=100_000, show_default=True, type=click.IntRange(100), help="Per table.")
@click.option("--dim", "embedding_dim", default=16, show_default=True, type=click.IntRange(1))
@click.option(
    "--optimizer",
    "table_optimizer",
    default="row_wise_adagrad",
    show_default=True,
    type=click.Choice(["sgd", "adagrad", "row_wise_adagrad", "adam"]),
    help="Of our tables.",
)
@click.option("--ids", default="zipf", show_default=True, type=click.Choice(["zipf", "uniform"]))
@click.option("--turns", "num_turns", default=12, show_default=True, type=click.IntRange(1), help="Of four steps each.")
@click.option("--threads", type=click.IntRange(1), help="[default: all cores]")
@click.option("--device", default="cpu", show_default=True, type=click.Choice(["auto", "cpu", "cuda"]))
@click.option("--seed", default=0, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
def bench_train(as_json: bool, **sizes: Any) -> None:
    """Time full training steps of DLRM on made-up rows: ours, plain PyTorch's, and the networks alone.

    \b
    Example:
      aisle bench train --batch-size 4096 --json
    """
    from aisle.studies.train_speed import SpeedSettings, measure_training_speed

    with show_progress() as progress:
        result = measure_training_speed(SpeedSettings(**sizes), progress) | {"hardware": describe_hardware()}
    if as_json:
        write_json(result)
        return
    columns = ("median_ms", "best_ms", "samples_per_second", "times_ours")
    rows = [(name, *(one[column] for column in columns)) for name, one in result["variants"].items()]
    write_table(("variant", *columns), rows)
    limits = ", ".join(f"{name} {value:,}" for name, value in result["limits"].items())
    click.echo(f"\nlimits of this machine: {limits}")
    loader = result["loader"]
    click.echo(
        f"the loader alone: {loader['samples_per_second']:,} samples/s; {loader['mapped_samples_per_second']:,} from "
        f"files of {loader['mapped_rows']:,} rows, {loader['cold_samples_per_second']:,} when they are read first"
    )
    losses = ", ".join(f"{loss:.5f} in {precision}" for precision, loss in result["final_loss"].items())
    click.echo(f"loss at the end of a fixed stream: {losses}")
    click.echo(f"{result['device']}, {result['threads']} threads; machine: {result['hardware']}")
