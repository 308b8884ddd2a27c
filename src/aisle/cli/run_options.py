"""The options of `aisle train` for recipes that name their data and need no workspace."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from aisle.recipe import ActionRecipe, ListRecipe, TableRecipe


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
