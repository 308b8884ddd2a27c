"""Opens a bundle after checking that its files are exactly those that were written."""

from __future__ import annotations

import hashlib
import stat
from pathlib import Path
from typing import Any, Literal

import numpy as np
import orjson
import polars as pl
from numpy.typing import NDArray

from aisle.bundle.manifest import MANIFEST_NAME, Manifest, file_entry, parse_manifest, read_manifest_bytes
from aisle.errors import BundleError

_REMEDY = "restore the bundle from a copy, or train again"


class Bundle:
    """A bundle that was opened; use :meth:`open`."""

    def __init__(self, directory: Path, manifest: Manifest, manifest_sha256: str) -> None:
        self.directory = directory
        self.manifest = manifest
        self.manifest_sha256 = manifest_sha256

    @classmethod
    def open(cls, directory: Path | str, *, verify: bool = True, manifest_sha256: str | None = None) -> Bundle:
        """Open a bundle.

        Args:
            directory: The bundle's directory.
            verify: Also check the hash of every file (about 2 GB/s; once at activation is enough). Presence, kind and
                size of every file are checked in any case, and that no other file is there.
            manifest_sha256: What the registry wrote down; any change of a verified bundle then shows.

        Raises:
            BundleError: naming the file that is missing, damaged, unknown, outside, or of a newer format.
        """
        directory = Path(directory)
        content = read_manifest_bytes(directory)
        digest = hashlib.sha256(content).hexdigest()
        if manifest_sha256 is not None and digest != manifest_sha256:
            raise BundleError(
                f"{directory / MANIFEST_NAME}: expected sha256 {manifest_sha256}, received {digest}; {_REMEDY}"
            )
        manifest = parse_manifest(content, directory / MANIFEST_NAME)
        _check_files(directory, manifest, verify)
        return cls(directory, manifest, digest)

    @property
    def version(self) -> str:
        """The bundle's version."""
        return self.manifest.version

    @property
    def num_bytes(self) -> int:
        """The size of all files but the manifest."""
        return sum(entry.bytes for entry in self.manifest.files.values())

    def names(self, below: str = "") -> list[str]:
        """The files, optionally those in one folder, as full names."""
        prefix = f"{below}/" if below else ""
        return [name for name in self.manifest.files if name.startswith(prefix)]

    def read_json(self, name: str) -> Any:
        """The value of ``<name>.json``."""
        path = self._path(f"{name}.json")
        try:
            return orjson.loads(path.read_bytes())
        except orjson.JSONDecodeError as error:
            raise BundleError(f"{path}: expected JSON ({error}); {_REMEDY}") from error

    def read_text(self, name: str) -> str:
        """The text of a file under its full name."""
        return self._path(name).read_text(encoding="utf-8")

    def read_bytes(self, name: str) -> bytes:
        """The content of a file under its full name."""
        return self._path(name).read_bytes()

    def read_arrays(self, name: str, *, mmap: bool = True) -> dict[str, NDArray[Any]]:
        """The arrays of ``<name>/``, by key; memory-mapped ones are read-only and cost memory only where touched."""
        depth = name.count("/") + 1
        keys = [file for file in self.names(name) if file.endswith(".npy") and file.count("/") == depth]
        if not keys:
            raise BundleError(f"{self.directory / name}: expected arrays, there are none in this bundle")
        return {file.rpartition("/")[2].removesuffix(".npy"): _load(self._path(file), mmap) for file in keys}

    def read_frame(self, name: str) -> pl.DataFrame:
        """The table of ``<name>.arrow``."""
        path = self._path(f"{name}.arrow")
        try:
            return pl.read_ipc(path)
        except (pl.exceptions.PolarsError, OSError) as error:
            raise BundleError(f"{path}: expected an Arrow file ({error}); {_REMEDY}") from error

    def _path(self, name: str) -> Path:
        if name not in self.manifest.files:
            raise BundleError(f"{self.directory / name}: this bundle has no such file")
        return self.directory / name


def _load(path: Path, mmap: bool) -> NDArray[Any]:
    try:
        with path.open("rb") as stream:
            if np.lib.format.read_magic(stream) != (1, 0):
                raise ValueError("another version of the array format")
            shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
        if dtype.hasobject:
            raise BundleError(f"{path}: expected numbers, received Python objects; {_REMEDY}")
        # An empty array has no bytes to map.
        mode: Literal["r"] | None = "r" if mmap and int(np.prod(shape)) > 0 else None
        array: NDArray[Any] = np.load(path, mmap_mode=mode, allow_pickle=False).view(np.ndarray)
        return array
    except (ValueError, OSError, EOFError) as error:
        raise BundleError(f"{path}: expected a NumPy array ({error}); {_REMEDY}") from error


def _check_files(directory: Path, manifest: Manifest, verify: bool) -> None:
    present = {path.relative_to(directory).as_posix(): path for path in _entries(directory)}
    unknown = sorted(set(present) - set(manifest.files) - {MANIFEST_NAME})
    if unknown:
        raise BundleError(f"{present[unknown[0]]}: the manifest does not name this file; {_REMEDY}")
    for name, entry in manifest.files.items():
        path = directory / name
        if name not in present:
            raise BundleError(f"{path}: the manifest names this file, it is missing; {_REMEDY}")
        size = path.stat().st_size
        if size != entry.bytes:
            raise BundleError(f"{path}: expected {entry.bytes} bytes, received {size}; {_REMEDY}")
        if verify and (received := file_entry(path).sha256) != entry.sha256:
            raise BundleError(f"{path}: expected sha256 {entry.sha256}, received {received}; {_REMEDY}")


def _entries(directory: Path) -> list[Path]:
    """All plain files below; anything else than files and folders is refused, as a link may lead outside."""
    files = []
    for path in sorted(directory.iterdir()):
        mode = path.lstat().st_mode
        if stat.S_ISDIR(mode):
            files += _entries(path)
        elif stat.S_ISREG(mode):
            files.append(path)
        else:
            raise BundleError(f"{path}: expected a plain file, received a link or a device; {_REMEDY}")
    return files
