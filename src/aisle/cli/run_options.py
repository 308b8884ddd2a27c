"""What `aisle train` shares between recipes that name their data: options, what an interrupt leaves, the report."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aisle.cli.output import write_json
from aisle.cli.progress import show_progress
from aisle.progress import Progress

if TYPE_CHECKING:
    from aisle.recipe import ActionRecipe, ListRecipe, TableRecipe
    from aisle.train.recipe_run import RecipeRun, RunPlan


@dataclass(frozen=True)
class RunOptions:
    """What the command was told beside the recipe."""

    output: Path | None
    resume: bool
    seeds: tuple[int, ...]
    folds: int | None
    procs: int | None
    as_json: bool

    def directory(self, recipe_name: str) -> Path:
        """The run directory: as told, or one named by the recipe and the time."""
        return self.output or Path(f"{recipe_name}-{dt.datetime.now().strftime('%Y%m%d-%H%M%S')}")

    def plan(self, run: RecipeRun) -> RunPlan:
        """Seeds or folds: as told, or with ``--resume`` alone what the run was begun for."""
        from aisle.train.recipe_run import RunPlan

        told = RunPlan(self.seeds, self.folds or 0)
        return run.plan() if self.resume and told == RunPlan() and run.is_begun else told


@contextmanager
def training_at(output: Path) -> Iterator[Progress]:
    """Show progress, and say how a training that is interrupted goes on."""
    try:
        with show_progress() as progress:
            yield progress
    except KeyboardInterrupt:
        click.echo(f"What is finished is kept: aisle train --resume -o {output} goes on.", err=True)
        raise


def report_run(run: RecipeRun, as_json: bool, write: Callable[[dict[str, Any]], None]) -> None:
    """Say what a finished run measured, and where it is."""
    metrics = run.read_metrics()
    if as_json:
        write_json({**metrics, "run": str(run.path)})
        return
    write(metrics)
    click.echo(f"\nRun: {run.path}")


def unfinished_recipe(output: Path) -> ActionRecipe | ListRecipe | TableRecipe | None:
    """The recipe of the run at a directory, where it is of a table, of lists or of actions."""
    from aisle.train.lists.action_directory import ActionDirectory, is_action_run
    from aisle.train.lists.directory import ListDirectory, is_list_run
    from aisle.train.tables.directory import TableDirectory, is_table_run

    if is_action_run(output):
        return ActionDirectory(output).recipe()
    if is_table_run(output):
        return TableDirectory(output).recipe()
    return ListDirectory(output).recipe() if is_list_run(output) else None


def parse_seeds(text: str | None) -> tuple[int, ...]:
    """The seeds of ``0,1,2``.

    Raises:
        BadParameter: it is something else.
    """
    parts = [] if text is None else text.split(",")
    if not all(part.strip().isdecimal() for part in parts):
        raise click.BadParameter(
            f"expected numbers from 0 on with commas between, received {text!r}", param_hint="--seeds"
        )
    return tuple(int(part) for part in parts)
