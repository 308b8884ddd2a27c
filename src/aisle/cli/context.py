"""What every command is told beside its own options: which workspace, and whether to show tracebacks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aisle.workspace import Workspace


@dataclass(frozen=True)
class CliContext:
    """The options of ``aisle`` itself; commands receive it by ``click.pass_obj``."""

    #: The workspace's directory, as ``-C`` names it; the current directory where it does not.
    directory: Path
    debug: bool = False
    #: Whether ``-C`` was left out (``demo`` then takes a directory of its own).
    is_default: bool = False

    def open_workspace(self) -> Workspace:
        """The workspace of the directory.

        Raises:
            ConfigError: there is none.
        """
        from aisle.workspace import Workspace

        return Workspace.open(self.directory)
