"""aisle ensemble: the average of several runs of table recipes, as a run."""

from __future__ import annotations

from pathlib import Path

import click

from aisle.cli.output import write_json, write_table


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "-o", "output", required=True, type=click.Path(file_okay=False, path_type=Path), help="The run directory to write."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object (metrics.json) on standard output.")
def command(runs: tuple[Path, ...], output: Path, as_json: bool) -> None:
    """Average RUNS over the same rows: the mean of their logits.

    A directory of several seeds counts as its runs, each as one. The result is a run: compare it, evaluate it, distill
    from it. Its bundle holds those of the members, where all have one.

    \b
    Example:
      aisle ensemble runs/dlrm runs/dcn-v2 runs/deepfm -o runs/mean
    """
    from aisle.train.tables.ensemble import ensemble_runs

    ensemble = ensemble_runs(runs, output)
    metrics = ensemble.read_metrics()
    if as_json:
        write_json({**metrics, "run": str(ensemble.path)})
        return
    write_table(("metric", "value"), [(name, f"{value:.5f}") for name, value in metrics["metrics"].items()])
    kept = "with a bundle of all" if ensemble.bundle.is_dir() else "without a bundle, as a member has none"
    click.echo(f"\nThe mean of the logits of {len(metrics['members'])} runs, {kept}\nRun: {ensemble.path}")
