"""The command line: the only room that reads arguments, prints, or exits."""

from aisle.cli.entry import main

__all__ = ["main"]
