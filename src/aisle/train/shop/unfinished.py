"""Which directory a training runs in: a new one, or that of a training that was interrupted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from aisle.errors import ConfigError
from aisle.recipe import ShopRecipe
from aisle.train.run_files import CHECKPOINTS_NAME, LOG_NAME
from aisle.train.shop.run_directory import RunDirectory
from aisle.workspace import Workspace


def unfinished_training(workspace: Workspace, output: Path | None = None) -> tuple[Path, ShopRecipe] | None:
    """The directory and the recipe of the workspace's latest training that was interrupted; or of the one at
    ``output``, also where it is finished."""
    return next(_resumable(workspace, output), None)


def _resumable(workspace: Workspace, output: Path | None) -> Iterator[tuple[Path, ShopRecipe]]:
    paths = sorted(workspace.runs.glob("*"), reverse=True) if output is None else [output]
    for path in paths:
        run = RunDirectory(path.resolve())
        begun = run.begun()
        if begun is not None:
            yield run.path, begun.recipe
        elif output is not None and run.is_written:
            yield run.path, run.recipe()


def run_to_resume(workspace: Workspace, recipe: ShopRecipe, output: Path | None) -> RunDirectory | None:
    """Where a training of a recipe goes on, if there is one."""
    for path, other in _resumable(workspace, output):
        if other == recipe:
            return RunDirectory(path)
        if output is not None:
            names = [name for name in ShopRecipe.model_fields if getattr(other, name) != getattr(recipe, name)]
            raise ConfigError(
                f"{output}: expected a training of this recipe, it is of another (other {', '.join(names)}); go on "
                "with that one by --resume and -o alone, or choose another directory"
            )
    return None


def new_run(path: Path) -> RunDirectory:
    """The directory of a training that begins.

    Raises:
        ConfigError: it has files.
    """
    run = RunDirectory(path.resolve())
    # What a training left that failed, or was killed before it noted anything, is no obstacle to the next.
    remains = {LOG_NAME} if run.begun() is not None else {LOG_NAME, CHECKPOINTS_NAME}
    if run.path.exists() and {entry.name for entry in run.path.iterdir()} - remains:
        raise ConfigError(
            f"{run.path}: expected a new or empty directory, it has files; choose another with -o, or --resume"
        )
    run.path.mkdir(parents=True, exist_ok=True)
    return run
