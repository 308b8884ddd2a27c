"""The file of a backup: a tar within zstd whose last entry lists every other one with its size and SHA-256.

The list comes last, so that files are read once and a file that was cut short has none.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import IO, Any, Self

import orjson
import zstandard

from aisle.errors import DataError

MANIFEST_NAME = "backup.json"
FORMAT = "aisle-backup"
FORMAT_VERSION = 1
_MAX_MANIFEST_BYTES = 256 * 1024 * 1024
_CHUNK_BYTES = 1024 * 1024
_LEVEL = 3
_REST_BYTES = 1 << 16

#: Told how many more bytes were read or written.
Advance = Callable[[int], None]


class ArchiveWriter:
    """Writes files one after the other into an open stream, and their list when the block ends well.

    Args:
        stream: Where the archive goes.
        facts: What else the manifest says.
        advance: Told of each piece that was read.
    """

    def __init__(self, stream: IO[bytes], facts: dict[str, Any], advance: Advance) -> None:
        self._facts = facts
        self._advance = advance
        self._files: dict[str, dict[str, Any]] = {}
        self._zstd = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).stream_writer(stream, closefd=False)
        self._tar = tarfile.open(fileobj=self._zstd, mode="w|", format=tarfile.PAX_FORMAT)  # noqa: SIM115

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            document = {"format": FORMAT, "format_version": FORMAT_VERSION, **self._facts, "files": self._files}
            content = orjson.dumps(document, option=orjson.OPT_INDENT_2)
            self._tar.addfile(_entry(MANIFEST_NAME, len(content)), io.BytesIO(content))
            self._tar.close()
            self._zstd.close()  # type: ignore[no-untyped-call]

    @property
    def num_files(self) -> int:
        """How many files were added."""
        return len(self._files)

    def add(self, name: str, path: Path) -> None:
        """Add one file under a name.

        Raises:
            DataError: it is no plain file, cannot be read, or became shorter meanwhile.
        """
        try:
            with path.open("rb") as file:
                facts = os.fstat(file.fileno())
                if path.is_symlink() or not stat.S_ISREG(facts.st_mode):
                    raise DataError(f"{path}: expected a plain file, found a link or a device; remove it first")
                read = _Hashed(file, self._advance)
                self._tar.addfile(_entry(name, facts.st_size), read)
        except OSError as error:
            raise DataError(f"cannot back up {path}: {error}; where a training writes it, wait for its end") from error
        self._files[name] = {"bytes": facts.st_size, "sha256": read.hexdigest()}


def extract(stream: IO[bytes], directory: Path, advance: Advance) -> dict[str, Any]:
    """Write the files of an archive under a directory, and check each of them; gives the manifest.

    Args:
        stream: The archive.
        directory: An empty directory, made by the caller, who removes it where this fails.
        advance: Told of each piece of the archive that was read.

    Raises:
        DataError: it is no backup, damaged, cut short, of a newer format, or holds what could be written elsewhere.
    """
    counted = _Counted(stream, advance)
    found: dict[str, dict[str, Any]] = {}
    manifest: dict[str, Any] | None = None
    with _said_clearly():
        reader = zstandard.ZstdDecompressor().stream_reader(counted, closefd=False)  # type: ignore[arg-type]
        with tarfile.open(fileobj=reader, mode="r|") as tar:
            for member in tar:
                name = _safe_name(member)
                if manifest is not None or name in found:
                    raise DataError(f"the backup holds {name!r} twice, or behind its list; it was tampered with")
                content = tar.extractfile(member)
                assert content is not None, "a plain file"
                if name == MANIFEST_NAME:
                    manifest = _read_manifest(content, member.size)
                else:
                    found[name] = _write(content, member.size, directory / name)
        while reader.read(_REST_BYTES):  # behind the last entry; the stream's checksum is compared at its very end
            pass
    if manifest is None:
        raise DataError("the backup is cut short: its list of files, which comes last, is missing; take another copy")
    _compare(manifest["files"], found)
    return manifest


def _compare(expected: dict[str, dict[str, Any]], found: dict[str, dict[str, Any]]) -> None:
    for name in sorted({*expected, *found}):
        if name not in found:
            raise DataError(f"the backup lacks {name}, which its list names; it is damaged, take another copy")
        if name not in expected:
            raise DataError(f"the backup holds {name}, which its list does not name; it was tampered with")
        if found[name] != expected[name]:
            raise DataError(
                f"{name}: expected {expected[name]['bytes']} bytes of sha256 {expected[name]['sha256']}, received "
                f"{found[name]['bytes']} of {found[name]['sha256']}; the backup is damaged, take another copy"
            )


def _safe_name(member: tarfile.TarInfo) -> str:
    """The name of a plain file that stays below the directory it is written to."""
    path = PurePosixPath(member.name)
    is_below = not path.is_absolute() and ".." not in path.parts and str(path) == member.name and path.parts
    if not is_below or "\\" in member.name or "\0" in member.name:
        raise DataError(f"the backup holds the path {member.name!r}, which leads elsewhere; it was tampered with")
    if not member.isreg():
        raise DataError(f"the backup holds {member.name!r}, which is no plain file; it was tampered with")
    return member.name


def _write(content: IO[bytes], num_bytes: int, path: Path) -> dict[str, Any]:
    """Write one file, readable by its owner alone; a name that is taken by a directory, or under a file, fails."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as file:
        while piece := content.read(_CHUNK_BYTES):
            digest.update(piece)
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    return {"bytes": num_bytes, "sha256": digest.hexdigest()}


def _read_manifest(content: IO[bytes], num_bytes: int) -> dict[str, Any]:
    if num_bytes > _MAX_MANIFEST_BYTES:
        raise DataError(f"the backup's list is {num_bytes} bytes long; it was tampered with")
    try:
        manifest = orjson.loads(content.read())
        version = manifest["format_version"]
        is_ours = manifest["format"] == FORMAT and isinstance(version, int)
        is_listed = all({"bytes", "sha256"} == set(entry) for entry in manifest["files"].values())
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        is_ours = is_listed = False
    if not is_ours or not is_listed:
        raise DataError("the file is no backup of Aisle: its list of files is not as it should be")
    if version > FORMAT_VERSION:
        raise DataError(f"expected a backup of format {FORMAT_VERSION}, received format {version}; upgrade Aisle")
    assert isinstance(manifest, dict)
    return manifest


@contextmanager
def _said_clearly() -> Iterator[None]:
    try:
        yield
    except (zstandard.ZstdError, tarfile.TarError, EOFError) as error:
        raise DataError(f"the file is no backup, damaged, or cut short ({error}); take another copy") from error
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise DataError(f"two paths of the backup exclude each other ({error}); it was tampered with") from error


def _entry(name: str, num_bytes: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size = num_bytes
    entry.mode = 0o600
    return entry


class _Hashed:
    """A file that is hashed while it is read."""

    def __init__(self, file: IO[bytes], advance: Advance) -> None:
        self._file = file
        self._advance = advance
        self._digest = hashlib.sha256()

    def read(self, num_bytes: int = -1) -> bytes:
        piece = self._file.read(num_bytes)
        self._digest.update(piece)
        self._advance(len(piece))
        return piece

    def hexdigest(self) -> str:
        return self._digest.hexdigest()


class _Counted:
    """A stream that says how much of it was read."""

    def __init__(self, stream: IO[bytes], advance: Advance) -> None:
        self._stream = stream
        self._advance = advance

    def read(self, num_bytes: int = -1) -> bytes:
        piece = self._stream.read(num_bytes)
        self._advance(len(piece))
        return piece
