"""aisle models: the bundle registry of a workspace. Nothing is activated before every file's hash was checked."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from aisle.cli.context import CliContext
from aisle.cli.output import write_json, write_table
from aisle.errors import DataError

if TYPE_CHECKING:
    from aisle.store import BundleRecord, Store
    from aisle.workspace import Workspace

_JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")


@click.group()
def command() -> None:
    """The versions of what the shop serves.

    \b
    Example:
      aisle -C my-shop models list
    """


@command.command("list")
@_JSON
@click.pass_obj
def list_models(context: CliContext, as_json: bool) -> None:
    """List the versions, the newest first.

    \b
    Example:
      aisle models list --json
    """
    with closing(context.open_workspace().open_store()) as store:
        records = store.bundles()
    if as_json:
        write_json({"models": [_describe(record) for record in records]})
        return
    from aisle.schema import format_timestamp

    rows = [("*" if one.is_active else "", one.version, format_timestamp(one.created_ms), one.path) for one in records]
    write_table(("active", "version", "created", "path"), rows)


@command.command("activate")
@click.argument("version")
@_JSON
@click.pass_obj
def activate(context: CliContext, version: str, as_json: bool) -> None:
    """Serve a version from now on, after checking all its files.

    \b
    Example:
      aisle models activate 20111209-125000
    """
    workspace = context.open_workspace()
    with closing(workspace.open_store()) as store:
        _verify(workspace, _find(store, version))
        store.activate_bundle(version)
        _report_active(store, as_json)


@command.command("rollback")
@_JSON
@click.pass_obj
def rollback(context: CliContext, as_json: bool) -> None:
    """Serve again what was active before, after checking all its files.

    \b
    Example:
      aisle models rollback
    """
    workspace = context.open_workspace()
    with closing(workspace.open_store()) as store:
        previous = store.previous_bundle()
        if previous is not None:
            _verify(workspace, previous)
        store.rollback_bundle()
        _report_active(store, as_json)


@command.command("delete")
@click.argument("version")
@_JSON
@click.pass_obj
def delete(context: CliContext, version: str, as_json: bool) -> None:
    """Delete a version that is not active, its files with it.

    \b
    Example:
      aisle models delete 20111208-090000
    """
    workspace = context.open_workspace()
    with closing(workspace.open_store()) as store:
        directory = _directory(workspace, _find(store, version))
        store.delete_bundle(version)
    if directory.is_dir() and (directory / "manifest.json").is_file():
        shutil.rmtree(directory)
    if as_json:
        write_json({"deleted": version})
    else:
        click.echo(f"Deleted {version}.")


def _find(store: Store, version: str) -> BundleRecord:
    records = store.bundles()
    for record in records:
        if record.version == version:
            return record
    names = ", ".join(record.version for record in records) or "none yet: run aisle train"
    raise DataError(f"no version {version!r}; registered: {names}")


def _verify(workspace: Workspace, record: BundleRecord) -> None:
    from aisle.bundle import Bundle

    Bundle.open(_directory(workspace, record), manifest_sha256=record.manifest_sha256)


def _directory(workspace: Workspace, record: BundleRecord) -> Path:
    """A registered path is relative to the workspace where it lies inside, so that a workspace can be moved."""
    return workspace.directory / record.path


def _report_active(store: Store, as_json: bool) -> None:
    active = store.active_bundle()
    assert active is not None, "just activated"
    if as_json:
        write_json({"active": active.version})
    else:
        click.echo(f"Active: {active.version}.")


def _describe(record: BundleRecord) -> dict[str, object]:
    from aisle.schema import format_timestamp

    return {
        "version": record.version,
        "active": record.is_active,
        "created": format_timestamp(record.created_ms),
        "path": record.path,
        "manifest_sha256": record.manifest_sha256,
        "metrics": record.metrics,
    }
