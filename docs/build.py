"""Builds ``docs/reference/cli.md`` from the commands themselves, and checks every local link of every document."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import click

from aisle.cli.entry import group

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT / "docs" / "reference" / "cli.md"
_WIDTH = 100


def cli_reference() -> str:
    """The help of every command, as one document."""
    parts = ["# Commands\n\nBuilt by `make docs` from the commands' own help.\n"]
    for path, command, context in _commands(group, ["aisle"], None):
        parts.append(f"## {path}\n\n```text\n{command.get_help(context)}\n```\n")
    return "\n".join(parts)


def broken_links(documents: list[Path]) -> list[str]:
    """Links to files, or to headings in them, that are not there."""
    broken = []
    for document in documents:
        text = re.sub(r"```.*?```", "", document.read_text(encoding="utf-8"), flags=re.DOTALL)
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if re.match(r"[a-z]+:", target):
                continue
            name, _, anchor = target.partition("#")
            path = (document.parent / name).resolve() if name else document
            if not path.exists() or (anchor and anchor not in _anchors(path)):
                broken.append(f"{document.relative_to(ROOT)}: {target}")
    return broken


def _commands(
    command: click.Command, path: list[str], parent: click.Context | None
) -> list[tuple[str, click.Command, click.Context]]:
    context = click.Context(command, info_name=path[-1], parent=parent, max_content_width=_WIDTH)
    found = [(" ".join(path), command, context)]
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None, f"{name} is listed, but there is no such command"
            found += _commands(inner, [*path, name], context)
    return found


def _anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


def main() -> int:
    """Write the reference, check the links."""
    REFERENCE.parent.mkdir(exist_ok=True)
    REFERENCE.write_text(cli_reference(), encoding="utf-8")
    documents = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    broken = broken_links(documents)
    for line in broken:
        print(f"broken link in {line}", file=sys.stderr)
    print(f"{REFERENCE.relative_to(ROOT)} written, the links of {len(documents)} documents checked")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
