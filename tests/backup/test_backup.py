"""A workspace is saved to one file and comes back the same; a file that is not as it was makes nothing."""

from __future__ import annotations

import hashlib
import io
import shutil
import sqlite3
import tarfile
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson
import pytest
import zstandard

from aisle.backup import restore_workspace, save_workspace
from aisle.backup.archive import MANIFEST_NAME
from aisle.bundle import Bundle
from aisle.errors import BundleError, DataError
from aisle.pipeline import Answer, RecommendationRequest, Recommender
from aisle.schema import Event, Item
from aisle.store.contract import ImportMark
from aisle.store.copy import copy_store
from aisle.workspace import Workspace

SETTINGS = "server: {admin_key: a-long-secret}\nbudgets: {retrieve_ms: 60000}\n"


@pytest.fixture
def small(tmp_path: Path) -> Workspace:
    """A workspace with one item and two events, and no bundle."""
    workspace = Workspace.create(tmp_path / "small")
    workspace.settings_path.write_text(SETTINGS)
    with closing(workspace.open_store()) as store:
        store.put_items([Item(item_id="tea", title="Green tea")])
        store.add_events([view(0), view(1)], ["e0", "e1"])
    return workspace


def view(number: int) -> Event:
    return Event(type="view", user_id="u", item_id="tea", timestamp=1_600_000_000_000 + number)


def files_of(directory: Path) -> dict[str, bytes]:
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def entries(archive: Path) -> dict[str, bytes]:
    """The content of an archive by a plain reading of the format: zstd, then tar."""
    with archive.open("rb") as stream:
        content = zstandard.ZstdDecompressor().stream_reader(stream).read()
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]


def test_what_is_in_the_file(small: Workspace, tmp_path: Path) -> None:
    saved = save_workspace(small, tmp_path / "out.tar.zst")
    assert (saved.num_files, saved.num_events, saved.versions) == (2, 2, ())
    assert saved.path.stat().st_mode & 0o777 == 0o600, "it holds keys"
    assert saved.num_bytes == saved.path.stat().st_size
    held = entries(saved.path)
    assert list(held) == ["aisle.yaml", "aisle.db", "backup.json"]
    assert held["aisle.yaml"] == SETTINGS.encode()
    manifest = orjson.loads(held["backup.json"])
    assert (manifest["format"], manifest["format_version"], manifest["versions"]) == ("aisle-backup", 1, [])
    for name in ("aisle.yaml", "aisle.db"):
        expected = {"bytes": len(held[name]), "sha256": hashlib.sha256(held[name]).hexdigest()}
        assert manifest["files"][name] == expected
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith((".", "tmp"))] == [], "nothing is left"


def test_a_restored_workspace_answers_the_same(trained_shop: Path, tmp_path: Path) -> None:
    directory = shutil.copytree(trained_shop, tmp_path / "shop")
    (directory / "aisle.yaml").write_text(SETTINGS)
    (directory / "data" / "secret.csv").write_text("not part of a workspace")
    workspace = Workspace.open(directory)
    saved = save_workspace(workspace, tmp_path / "out.tar.zst")
    shutil.rmtree(directory)
    (tmp_path / "again").mkdir()
    restored = restore_workspace(saved.path, tmp_path / "again")
    assert restored.versions == saved.versions and len(saved.versions) == 1
    assert restored.num_files == saved.num_files > 10
    assert not (restored.directory / "data").exists()
    assert (restored.directory / "aisle.yaml").read_text() == SETTINGS
    assert restored.directory.stat().st_mode & 0o777 == 0o700

    def ask(directory: Path) -> Answer:
        workspace = Workspace.open(directory)
        with closing(workspace.open_store()) as store:
            recommender = Recommender(store, workspace.config, workspace.directory)
            return recommender.recommend(RecommendationRequest("for-you", user_id="user-00003"))

    answer, original = ask(restored.directory), ask(trained_shop)
    assert answer.model_version == original.model_version
    assert [one.item_id for one in answer.items] == [one.item_id for one in original.items]
    assert len(answer.items) == 10
    (run,) = (restored.directory / "runs").iterdir()
    assert {"recipe.yaml", "metrics.json", "bundle"} <= {path.name for path in run.iterdir()}
    for name, content in files_of(trained_shop / "runs").items():
        assert files_of(restored.directory / "runs")[name] == content
    # And a backup of what was restored holds the same runs.
    again = save_workspace(Workspace.open(restored.directory), tmp_path / "again.tar.zst")
    assert [name for name in entries(again.path) if name.startswith("runs/")] == [
        name for name in entries(saved.path) if name.startswith("runs/")
    ]


def test_without_runs_the_bundle_alone_is_saved(trained_shop: Path, tmp_path: Path) -> None:
    saved = save_workspace(Workspace.open(trained_shop), tmp_path / "out.tar.zst", runs=False)
    names = [name for name in entries(saved.path) if name not in ("aisle.yaml", "aisle.db", MANIFEST_NAME)]
    assert names and all("/bundle/" in name for name in names)
    restored = restore_workspace(saved.path, tmp_path / "again")
    with closing(Workspace.open(restored.directory).open_store()) as store:
        active = store.active_bundle()
        assert active is not None
        Bundle.open(restored.directory / active.path, manifest_sha256=active.manifest_sha256)


def test_an_unfinished_import_begins_again_after_a_restore(small: Workspace, tmp_path: Path) -> None:
    with closing(small.open_store()) as store:
        for key, finished in (("ended", True), ("running", False)):
            store.save_import_mark(ImportMark(key, "events", "events.csv", 7, 70, {"line": 8}, finished))
    saved = save_workspace(small, tmp_path / "out.tar.zst")
    restored = restore_workspace(saved.path, tmp_path / "again")
    with closing(Workspace.open(restored.directory).open_store()) as store:
        assert store.import_mark("running") is None, "its files in imports/ are not in the backup"
        assert store.import_mark("ended") is not None
    with closing(small.open_store()) as store:
        assert store.import_mark("running") is not None


def test_a_damaged_or_missing_bundle_is_said_now(trained_shop: Path, tmp_path: Path) -> None:
    directory = shutil.copytree(trained_shop, tmp_path / "shop")
    damaged = max(directory.rglob("bundle/**/*.npy"))
    damaged.write_bytes(damaged.read_bytes()[:-1])
    with pytest.raises(BundleError, match=damaged.name):
        save_workspace(Workspace.open(directory), tmp_path / "out.tar.zst")
    shutil.rmtree(directory / "runs")
    with pytest.raises(BundleError):
        save_workspace(Workspace.open(directory), tmp_path / "out.tar.zst")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["shop"]


def test_what_was_acknowledged_before_is_in_it_while_others_write(small: Workspace, tmp_path: Path) -> None:
    """Writers go on all the time; each backup holds all that was acknowledged before it began, and is sound."""
    acknowledged = [2]
    stop = threading.Event()

    def keep_writing() -> None:
        with closing(small.open_store()) as store:
            while not stop.is_set():
                number = acknowledged[0]
                store.add_events([view(number)], [f"e{number}"])
                acknowledged[0] = number + 1

    writer = threading.Thread(target=keep_writing)
    writer.start()
    try:
        for turn in range(5):
            target = acknowledged[0] + 20
            while acknowledged[0] < target:
                pass
            before = acknowledged[0]
            saved = save_workspace(small, tmp_path / f"{turn}.tar.zst")
            assert saved.num_events >= before
            restored = restore_workspace(saved.path, tmp_path / f"again-{turn}")
            with closing(sqlite3.connect(restored.directory / "aisle.db")) as database:
                assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            with closing(Workspace.open(restored.directory).open_store()) as store:
                held = {stored.event_id for stored in store.user_events("u", 100_000)}
            assert held == {f"e{number}" for number in range(saved.num_events)}, "a prefix, without a gap"
    finally:
        stop.set()
        writer.join()
    assert acknowledged[0] > before, "writing went on meanwhile"


def test_a_copy_does_not_begin_again_when_others_write(small: Workspace, tmp_path: Path) -> None:
    with closing(small.open_store()) as store:
        store.add_events([view(number) for number in range(2, 30_000)], [f"e{number}" for number in range(2, 30_000)])
        steps: list[int] = []

        def write_between(stage: str, done: int, total: int | None) -> None:
            steps.append(done)
            store.add_events([view(100_000 + len(steps))], [f"late {len(steps)}"])

        copy_store(small.store_path, tmp_path / "copy.db", write_between)
    assert len(steps) > 1
    assert steps == sorted(set(steps)), "each step went on where the last one ended"
    with closing(sqlite3.connect(tmp_path / "copy.db")) as database:
        assert database.execute("SELECT count(*) FROM events").fetchone() == (30_000,), "the state at the beginning"


@pytest.mark.parametrize("stage", ["store", "files"])
def test_an_interrupted_backup_leaves_nothing(small: Workspace, tmp_path: Path, stage: str) -> None:
    def interrupt(at: str, done: int, total: int | None) -> None:
        if at == stage:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        save_workspace(small, tmp_path / "out.tar.zst", progress=interrupt)
    assert [path.name for path in tmp_path.iterdir()] == ["small"]


def test_an_interrupted_restore_leaves_nothing(small: Workspace, tmp_path: Path) -> None:
    def interrupt(at: str, done: int, total: int | None) -> None:
        raise KeyboardInterrupt

    saved = save_workspace(small, tmp_path / "out.tar.zst")
    with pytest.raises(KeyboardInterrupt):
        restore_workspace(saved.path, tmp_path / "again", progress=interrupt)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.tar.zst", "small"]


def test_nothing_is_overwritten(small: Workspace, tmp_path: Path) -> None:
    saved = save_workspace(small, tmp_path / "out.tar.zst")
    before = saved.path.read_bytes()
    with pytest.raises(DataError, match="exists; choose another name"):
        save_workspace(small, saved.path)
    assert saved.path.read_bytes() == before
    with pytest.raises(DataError, match="holds something"):
        restore_workspace(saved.path, small.directory)
    with pytest.raises(DataError, match="holds something"):
        restore_workspace(saved.path, saved.path)
    with pytest.raises(DataError, match="cannot write a backup"):
        save_workspace(small, tmp_path / "no" / "such" / "directory" / "out")
    with pytest.raises(DataError, match="cannot restore"):
        restore_workspace(tmp_path / "missing", tmp_path / "again")


def test_a_link_in_a_run_is_refused(trained_shop: Path, tmp_path: Path) -> None:
    directory = shutil.copytree(trained_shop, tmp_path / "shop")
    (run,) = (directory / "runs").iterdir()
    (run / "passwd").symlink_to("/etc/passwd")
    with pytest.raises(DataError, match="passwd: expected a plain file"):
        save_workspace(Workspace.open(directory), tmp_path / "out.tar.zst")


def unpacked(archive: bytes) -> bytes | None:
    """What a compressed stream holds; none where it is damaged."""
    try:
        return zstandard.ZstdDecompressor().decompressobj().decompress(archive)
    except zstandard.ZstdError:
        return None


class TestDamage:
    """An archive that was cut, changed or forged leaves nothing at its destination, and says why."""

    @pytest.fixture
    def archive(self, small: Workspace, tmp_path: Path) -> Path:
        return save_workspace(small, tmp_path / "out.tar.zst").path

    def refused(self, archive: Path, message: str) -> None:
        directory = archive.parent / "again"
        with pytest.raises(DataError, match=message):
            restore_workspace(archive, directory)
        assert sorted(path.name for path in archive.parent.iterdir()) == ["out.tar.zst", "small"]

    def forge(self, archive: Path, change: Callable[[list[tuple[tarfile.TarInfo, bytes]]], None]) -> None:
        """Write the archive anew after a change of its entries."""
        parts = []
        for name, content in entries(archive).items():
            entry = tarfile.TarInfo(name)
            parts.append((entry, content))
        change(parts)
        plain = io.BytesIO()
        with tarfile.open(fileobj=plain, mode="w") as tar:
            for entry, content in parts:
                entry.size = len(content) if entry.isreg() else 0
                tar.addfile(entry, io.BytesIO(content))
        archive.write_bytes(zstandard.ZstdCompressor().compress(plain.getvalue()))

    @pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
    def test_cut_short(self, archive: Path, share: float) -> None:
        content = archive.read_bytes()
        archive.write_bytes(content[: int(share * len(content))])
        self.refused(archive, "cut short")

    def test_any_byte_changed(self, archive: Path) -> None:
        content = archive.read_bytes()
        # The last bytes hold what stands behind the last entry, and the checksum of all.
        for place in [*range(0, len(content), max(len(content) // 40, 1)), *range(len(content) - 64, len(content))]:
            changed = bytearray(content)
            changed[place] ^= 0x55
            if unpacked(bytes(changed)) == unpacked(content):
                continue  # a few bits of the compressed stream mean nothing
            archive.write_bytes(bytes(changed))
            self.refused(archive, "damaged|tampered|no backup|cut short|upgrade")

    def test_no_backup_at_all(self, archive: Path) -> None:
        archive.write_bytes(b"PK\x03\x04 something else")
        self.refused(archive, "no backup")
        archive.write_bytes(zstandard.ZstdCompressor().compress(b"not a tar" * 100))
        self.refused(archive, "no backup")

    def test_another_content(self, archive: Path) -> None:
        def change(parts: list[Any]) -> None:
            parts[0] = (parts[0][0], b"server: {admin_key: b-long-secret}\n")

        self.forge(archive, change)
        self.refused(archive, r"aisle\.yaml: expected .* bytes of sha256")

    def test_a_file_more_a_file_less_a_file_twice_no_list(self, archive: Path) -> None:
        whole = archive.read_bytes()
        for change, message in (
            (lambda parts: parts.insert(0, (tarfile.TarInfo("more"), b"x")), "holds more, which its list"),
            (lambda parts: parts.pop(0), r"lacks aisle\.yaml"),
            (lambda parts: parts.insert(0, parts[0]), r"holds 'aisle\.yaml' twice"),
            (lambda parts: parts.append((tarfile.TarInfo("behind"), b"x")), "behind its list"),
            (lambda parts: parts.pop(), "cut short: its list"),
            (lambda parts: parts.insert(0, (tarfile.TarInfo("aisle.yaml/x"), b"x")), "exclude each other"),
        ):
            archive.write_bytes(whole)
            self.forge(archive, change)
            self.refused(archive, message)

    @pytest.mark.parametrize(
        "name", ["../outside", "a/../../outside", "/tmp/outside", "a/./b", "a//b", "..", ".", "a\\..\\b", "a/"]
    )
    def test_a_path_that_leads_elsewhere(self, archive: Path, name: str) -> None:
        entry = tarfile.TarInfo(name)
        self.forge(archive, lambda parts: parts.insert(0, (entry, b"x")))
        self.refused(archive, "leads elsewhere|no plain file|does not name")
        assert not (archive.parent.parent / "outside").exists()

    @pytest.mark.parametrize(
        "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE]
    )
    def test_links_devices_and_directories(self, archive: Path, kind: bytes) -> None:
        entry = tarfile.TarInfo("runs")
        entry.type, entry.linkname = kind, "/etc"
        self.forge(archive, lambda parts: parts.insert(0, (entry, b"")))
        self.refused(archive, "no plain file")

    @pytest.mark.parametrize(
        ("manifest", "message"),
        [
            (b"{", "no backup"),
            (b"[]", "no backup"),
            (b'{"format": "other", "format_version": 1, "files": {}}', "no backup"),
            (b'{"format": "aisle-backup", "format_version": 2, "files": {}}', "received format 2; upgrade"),
            (b'{"format": "aisle-backup", "format_version": 1, "files": {"a": 1}}', "no backup"),
        ],
    )
    def test_another_list(self, archive: Path, manifest: bytes, message: str) -> None:
        def change(parts: list[Any]) -> None:
            parts[-1] = (parts[-1][0], manifest)

        self.forge(archive, change)
        self.refused(archive, message)
