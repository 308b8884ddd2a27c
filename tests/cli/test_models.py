"""aisle models: nothing damaged is ever activated, there is a way back, and the active version cannot be deleted."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest

from aisle.bundle import Bundle, BundleWriter
from aisle.cli.entry import run
from aisle.store import BundleRecord
from aisle.workspace import Workspace


@pytest.fixture
def shop(tmp_path: Path) -> Workspace:
    """A workspace with versions v1 and v2, registered, none active."""
    workspace = Workspace.create(tmp_path / "shop")
    with closing(workspace.open_store()) as store:
        for number, version in enumerate(("v1", "v2")):
            with BundleWriter(workspace.directory / "bundles" / version) as writer:
                writer.write_json("blend", {"number": number})
            bundle = Bundle.open(workspace.directory / "bundles" / version)
            path = f"bundles/{version}"
            store.register_bundle(BundleRecord(version, path, bundle.manifest_sha256, number * 1000, False, {"x": 1.0}))
    return workspace


class Shell:
    def __init__(self, workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
        self.workspace, self.capsys = workspace, capsys

    def models(self, *arguments: str) -> tuple[int, str, str]:
        self.capsys.readouterr()
        code = run(["-C", str(self.workspace.directory), "models", *arguments])
        captured = self.capsys.readouterr()
        return code, captured.out, captured.err

    def active(self) -> str | None:
        with closing(self.workspace.open_store()) as store:
            record = store.active_bundle()
        return record.version if record else None


@pytest.fixture
def shell(shop: Workspace, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(shop, capsys)


def test_activate_and_back(shell: Shell) -> None:
    assert shell.active() is None
    assert shell.models("activate", "v1") == (0, "Active: v1.\n", "")
    code, out, _ = shell.models("activate", "v2", "--json")
    assert (code, json.loads(out)) == (0, {"active": "v2"})
    code, out, _ = shell.models("rollback", "--json")
    assert (code, json.loads(out)) == (0, {"active": "v1"})
    code, out, err = shell.models("rollback")
    assert (code, out) == (1, "")
    assert "nothing to go back to" in err
    assert shell.active() == "v1"


def test_list(shell: Shell) -> None:
    shell.models("activate", "v1")
    code, out, _ = shell.models("list", "--json")
    assert code == 0
    models = json.loads(out)["models"]
    assert [(one["version"], one["active"], one["created"]) for one in models] == [
        ("v2", False, "1970-01-01T00:00:01Z"),
        ("v1", True, "1970-01-01T00:00:00Z"),
    ]
    assert models[0]["metrics"] == {"x": 1.0}
    code, out, _ = shell.models("list")
    assert out.splitlines()[2].split() == ["*", "v1", "1970-01-01T00:00:00Z", "bundles/v1"]


def test_a_damaged_bundle_is_not_activated_nor_rolled_back_to(shell: Shell) -> None:
    shell.models("activate", "v1")
    shell.models("activate", "v2")
    blend = shell.workspace.directory / "bundles" / "v1" / "blend.json"
    content = blend.read_bytes()
    blend.write_bytes(content.replace(b"0", b"7"))
    for arguments in (["activate", "v1"], ["rollback"]):
        code, out, err = shell.models(*arguments)
        assert (code, out) == (1, "")
        assert f"{blend}: expected sha256" in err
        assert shell.active() == "v2"
    blend.write_bytes(content)
    assert shell.models("rollback")[0] == 0
    assert shell.active() == "v1"


def test_an_exchanged_bundle_with_its_own_manifest_is_not_activated(shell: Shell) -> None:
    (shell.workspace.directory / "bundles" / "v1").rename(shell.workspace.directory / "bundles" / "gone")
    (shell.workspace.directory / "bundles" / "v2").rename(shell.workspace.directory / "bundles" / "v1")
    code, _, err = shell.models("activate", "v1")
    assert code == 1
    assert "manifest.json: expected sha256" in err
    assert shell.active() is None


def test_delete(shell: Shell) -> None:
    shell.models("activate", "v1")
    code, _, err = shell.models("delete", "v1")
    assert code == 1
    assert "not active" in err
    assert (shell.workspace.directory / "bundles" / "v1").is_dir()
    code, out, _ = shell.models("delete", "v2", "--json")
    assert (code, json.loads(out)) == (0, {"deleted": "v2"})
    assert not (shell.workspace.directory / "bundles" / "v2").exists()
    code, _, err = shell.models("activate", "v2")
    assert code == 1
    assert err == "Error: no version 'v2'; registered: v1\n"
