"""The command ``aisle``: finds commands only when they are called, and turns every failure into one clear error.

Exit codes: 0 success, 1 failure, 2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

import errno
import importlib
import importlib.util
import os
import re
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import click

import aisle
from aisle.cli.context import CliContext
from aisle.errors import AisleError

#: Command, the module of this room that has it as ``command``, and its line in ``aisle --help``.
COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("demo", "A whole shop in one command: data, training, evaluation, server."),
    "init": ("init", "Make a new workspace."),
    "import": ("import_", "Bring in items, users and events from files."),
    "data": ("data", "Named data sets and the shop simulator."),
    "validate": ("validate", "Check the data before training."),
    "train": ("train", "Train what a recipe says."),
    "evaluate": ("evaluate", "Measure a run beside strong simple baselines."),
    "compare": ("compare", "Say whether runs over a table differ."),
    "ensemble": ("ensemble", "Average runs over a table."),
    "recommend": ("recommend", "Recommendations in the shell."),
    "models": ("models", "The bundle registry: list, activate, roll back, delete."),
    "serve": ("serve", "The HTTP server."),
    "backup": ("backup", "Save a workspace to one file."),
    "restore": ("restore", "A workspace from its backup."),
    "bench": ("bench", "Benchmarks that name the machine."),
    "profile": ("profile", "Where the time and the memory of a training go."),
}

_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class LazyGroup(click.Group):
    """Imports a command's module only when that command runs, so that ``aisle --help`` is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands whose modules exist, in the order of a shop's way."""
        return [name for name, (module, _) in COMMANDS.items() if _exists(module)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        if cmd_name not in self.list_commands(ctx):
            return None
        command = importlib.import_module(f"aisle.cli.{COMMANDS[cmd_name][0]}").command
        assert isinstance(command, click.Command), f"aisle.cli.{COMMANDS[cmd_name][0]}.command is no command"
        command.name = cmd_name
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in self.list_commands(ctx)])


@click.group(cls=LazyGroup)
@click.option("-C", "directory", metavar="DIR", type=click.Path(file_okay=False, path_type=Path), help="The workspace.")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.version_option(aisle.__version__, message="%(prog)s %(version)s")
@click.pass_context
def group(ctx: click.Context, directory: Path | None, debug: bool) -> None:
    """Recommendations for your shop, on your own machine.

    \b
    Examples:
      aisle demo
      aisle init my-shop && aisle -C my-shop import events sales.csv
    """
    ctx.obj = CliContext(directory or Path(), debug, is_default=directory is None)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command and exit."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    sys.exit(run(arguments))


def run(arguments: Sequence[str]) -> int:
    """Run one command; returns the exit code."""
    debug = False
    try:
        with group.make_context("aisle", list(arguments)) as context:
            debug = context.params["debug"]
            group.invoke(context)
        sys.stdout.flush()
    except click.exceptions.Exit as done:  # --help, --version
        return done.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted.", err=True)
        return 128 + signal.SIGINT
    except BrokenPipeError:
        # Whoever read our output (`head`) has seen enough; nothing may be written at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:  # every failure ends in one clear error
        if debug:
            raise
        click.echo(_explain(error), err=True)
        return 1
    return 0


def _explain(error: Exception) -> str:
    if isinstance(error, AisleError):
        return f"Error: {error}"
    if _is_disk_full(error):
        return (
            f"Error: the disk is full ({error}). What was finished is kept: make room and run the same command again; "
            "`aisle train --resume` goes on where the training was"
        )
    return f"Error: {type(error).__name__}: {error} (unexpected; `aisle --debug ...` shows where)"


def _is_disk_full(error: Exception) -> bool:
    # NumPy says only how much of an array was written; Polars leaves out the number of the error.
    says_so = re.search(r"^\d+ requested and \d+ written$|No space left on device", str(error))
    return isinstance(error, OSError) and (error.errno in _DISK_FULL or says_so is not None)


def _exists(module: str) -> bool:
    return importlib.util.find_spec(f"aisle.cli.{module}") is not None
