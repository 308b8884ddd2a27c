"""aisle ensemble: the average of several runs of table recipes, or of several over lists, as a run."""

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
    """Average RUNS over the same rows: the mean of their logits; of runs over lists, of their standardized scores.

    A directory of several seeds counts as its runs, each as one. The result is a run: compare it, evaluate it, distill
    from it. Its bundle holds those of the members, where all have one.

    \b
    Example:
      aisle ensemble runs/dlrm runs/dcn-v2 runs/deepfm -o runs/mean
    """
    from aisle.train.lists.directory import is_list_run
    from aisle.train.tables.ensemble import ensemble_runs

    if is_list_run(runs[0]):
        _ensemble_lists(runs, output, as_json)
        return
    ensemble = ensemble_runs(runs, output)
    metrics = ensemble.read_metrics()
    if as_json:
        write_json({**metrics, "run": str(ensemble.path)})
        return
    write_table(("metric", "value"), [(name, f"{value:.5f}") for name, value in metrics["metrics"].items()])
    kept = "with a bundle of all" if ensemble.bundle.is_dir() else "without a bundle, as a member has none"
    click.echo(f"\nThe mean of the logits of {len(metrics['members'])} runs, {kept}\nRun: {ensemble.path}")


def _ensemble_lists(runs: tuple[Path, ...], output: Path, as_json: bool) -> None:
    from aisle.cli.list_training import train_list_run
    from aisle.cli.run_options import RunOptions
    from aisle.recipe.list_models.ensemble import EnsembleSpec
    from aisle.train.lists.directory import ListDirectory

    if len(runs) < 2:
        raise click.UsageError(f"expected two or more runs, received {len(runs)}")
    model = EnsembleSpec(kind="ensemble", runs=[str(run.resolve()) for run in runs])
    recipe = ListDirectory(runs[0].resolve()).recipe().model_copy(update={"name": "ensemble", "model": model})
    train_list_run(recipe, RunOptions(output, False, (), None, None, as_json))
