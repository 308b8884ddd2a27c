"""aisle compare: whether runs differ, paired row by row of a table or question by question over lists."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from aisle.cli.comparisons import VERDICTS, add_trainings, warn_of_one_seed, with_spread
from aisle.cli.list_comparison import compare_list_runs
from aisle.cli.output import write_json, write_table


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--on", "test_set", default="test", show_default=True, help="Of tables: valid, test, an extra test; or test@LABEL."
)
@click.option("--confidence", type=click.FloatRange(0.5, 0.9999), default=0.95, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
def command(runs: tuple[Path, ...], test_set: str, confidence: float, as_json: bool) -> None:
    """Compare RUNS with the first of them, on the same test rows or questions.

    A run is better or worse only where the interval of the difference excludes 0. The interval covers other rows of the
    same kind; where both runs have several seeds (aisle train --seeds) also other seeds. Of one training it speaks of
    that very training. Of runs over lists of items, which are compared question by question, it speaks of these very
    trainings in any case.

    \b
    Example:
      aisle compare runs/dlrm runs/dcn-v2 runs/deepfm
    """
    from aisle.evaluate.comparison import compare
    from aisle.train.tables.directory import TableDirectory

    if len({path.resolve() for path in runs}) < max(2, len(runs)):
        raise click.UsageError(f"expected two or more different runs, received {', '.join(map(str, runs))}")
    names = _names(runs)
    if _are_of_lists(runs):
        if test_set != "test":
            raise click.UsageError("--on: only runs of tables take it, these are of lists")
        compare_list_runs(dict(zip(names, runs, strict=True)), confidence=confidence, as_json=as_json)
        return
    directories = {name: TableDirectory(path.resolve()) for name, path in zip(names, runs, strict=True)}
    predictions = {name: [run.predictions(test_set) for run in one.trainings()] for name, one in directories.items()}
    report = compare(predictions, test_set=test_set, confidence=confidence)
    add_trainings(report, directories)
    if as_json:
        write_json(report)
        return
    _write(report)


def _are_of_lists(runs: tuple[Path, ...]) -> bool:
    from aisle.errors import DataError
    from aisle.train.lists.directory import is_list_run

    kinds = {path: is_list_run(path) for path in runs}
    if len(set(kinds.values())) > 1:
        received = ", ".join(f"{path} of {'lists' if kind else 'a table'}" for path, kind in kinds.items())
        raise DataError(f"expected runs of one kind, all of tables or all of lists, received {received}")
    return all(kinds.values())


def _names(runs: tuple[Path, ...]) -> list[str]:
    """The last parts of the paths, or the whole paths where these are not unique."""
    names = [path.resolve().name for path in runs]
    return names if len(set(names)) == len(names) else [str(path) for path in runs]


def _write(report: dict[str, Any]) -> None:
    from aisle.evaluate.predictions import metric_name

    test_set, reference = report["set"], report["reference"]
    metrics = tuple(metric_name(test_set, metric) for metric in ("auc", "logloss"))
    click.echo(f"{report['rows']:,} {test_set} rows")
    rows = [
        (name, one["num_seeds"], *(with_spread(one, metric, digits=5) for metric in metrics))
        for name, one in report["methods"].items()
    ]
    write_table(("run", "seeds", *metrics), rows)
    click.echo(f"\nAgainst {reference}, with {100 * report['confidence']:g} % intervals")
    header = ("run", "metric", "difference", "from", "to", "rows", "seeds", "verdict")
    write_table(header, [row for name, found in report["differences"].items() for row in _rows(name, found)])
    warn_of_one_seed(report)


def _rows(name: str, found: dict[str, dict[str, Any]]) -> list[tuple[object, ...]]:
    return [
        (
            name,
            metric,
            *(f"{one[key]:+.5f}" for key in ("value", "low", "high")),
            f"{one['row_standard_error']:.5f}",
            "" if one["seed_standard_error"] is None else f"{one['seed_standard_error']:.5f}",
            VERDICTS[one["verdict"]],
        )
        for metric, one in found.items()
    ]
