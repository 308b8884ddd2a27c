"""Writes a bundle beside its place and renames it into place at last, so that no half bundle bears the name."""

from __future__ import annotations

import datetime as dt
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import orjson
import polars as pl
from numpy.typing import NDArray

import aisle
from aisle.bundle.manifest import MANIFEST_NAME, FileEntry, Manifest, check_name, file_entry
from aisle.errors import BundleError

_ARRAY_KINDS = "biuf"
_KEY = re.compile(r"[a-z0-9][A-Za-z0-9_-]*")


class BundleWriter:
    """A context in which files are written; leaving it without an error makes the bundle appear, whole and durable.

    Args:
        directory: Where the bundle shall be; must not exist yet.
        name: What the pipeline is called (the recipe's name).
        version: The bundle's own version; the directory's name where missing.
        cut_offs: Milliseconds by what they speak of (``fitted_until``, ``split``).
        extra: Plain values kept in the manifest.
    """

    def __init__(
        self,
        directory: Path | str,
        *,
        name: str = "shop",
        version: str | None = None,
        cut_offs: Mapping[str, int] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        self.directory = Path(directory)
        self._name = name
        self._version = version or self.directory.name
        self._cut_offs = dict(cut_offs or {})
        self._extra = dict(extra or {})
        self._files: dict[str, FileEntry] = {}
        self._partial: Path | None = None
        self.manifest: Manifest | None = None

    def __enter__(self) -> Self:
        if self.directory.exists():
            raise BundleError(f"{self.directory}: expected a new directory, it exists; choose another or remove it")
        self.directory.parent.mkdir(parents=True, exist_ok=True)
        self._partial = Path(tempfile.mkdtemp(prefix=f".{self.directory.name}.", dir=self.directory.parent))
        self._partial.chmod(0o755)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        partial, self._partial = self._partial, None
        assert partial is not None, "left without having entered"
        try:
            if kind is None:
                self._publish(partial)
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def write_json(self, name: str, value: object) -> None:
        """Write ``<name>.json``; NaN and infinity are refused, as JSON has none."""
        if not _is_plain(value):
            raise BundleError(f"{name}.json: expected plain finite values (text keys), received {value!r}"[:300])
        self._write(f"{name}.json", orjson.dumps(value, option=orjson.OPT_INDENT_2))

    def write_text(self, name: str, text: str) -> None:
        """Write a text file under its full name (``card.md``)."""
        self._write(name, text.encode())

    def write_bytes(self, name: str, content: bytes) -> None:
        """Write a file of another format (an ONNX graph) under its full name."""
        self._write(name, content)

    def copy_file(self, name: str, source: Path) -> None:
        """Write a file under its full name with the content of another, however large."""
        path = self._path(name)
        shutil.copyfile(source, path)
        self._add(name, path)

    def write_arrays(self, name: str, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Write one memory-mappable ``<name>/<key>.npy`` for each array of numbers or booleans."""
        for key, array in arrays.items():
            if not _KEY.fullmatch(key):
                raise BundleError(f"{name}: expected a key of letters, digits, _ and -, received {key!r}")
            if array.dtype.kind not in _ARRAY_KINDS:
                raise BundleError(f"{name}/{key}: expected numbers or booleans, received the type {array.dtype}")
            path = self._path(f"{name}/{key}.npy")
            with path.open("wb") as stream:
                np.save(stream, np.ascontiguousarray(array).reshape(array.shape), allow_pickle=False)
            self._add(f"{name}/{key}.npy", path)

    def write_frame(self, name: str, frame: pl.DataFrame) -> None:
        """Write ``<name>.arrow``, an uncompressed Arrow file."""
        if any(dtype.base_type() == pl.Object for dtype in frame.dtypes):
            raise BundleError(f"{name}.arrow: expected plain columns, received Python objects: {frame.schema}")
        path = self._path(f"{name}.arrow")
        frame.write_ipc(path, compression="uncompressed")
        self._add(f"{name}.arrow", path)

    def has(self, name: str) -> bool:
        """Whether a file, or a folder of arrays, of this name was written."""
        return any(written == name or written.startswith(f"{name}/") for written in self._files)

    def _write(self, name: str, content: bytes) -> None:
        path = self._path(name)
        path.write_bytes(content)
        self._add(name, path)

    def _path(self, name: str) -> Path:
        if self._partial is None:
            raise BundleError(f"{name}: a bundle is written inside its `with` block")
        path = self._partial / check_name(name)
        if path.exists():
            raise BundleError(f"{name}: expected each file once, it is written already")
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def _add(self, name: str, path: Path) -> None:
        _flush(path)
        self._files[name] = file_entry(path)

    def _publish(self, partial: Path) -> None:
        self.manifest = Manifest(
            aisle_version=aisle.__version__,
            name=self._name,
            version=self._version,
            created=dt.datetime.now(dt.UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            cut_offs=self._cut_offs,
            extra=self._extra,
            files=dict(sorted(self._files.items())),
        )
        path = partial / MANIFEST_NAME
        path.write_bytes(orjson.dumps(self.manifest.model_dump(), option=orjson.OPT_INDENT_2))
        _flush(path)
        for folder, _, _ in os.walk(partial, topdown=False):
            _flush(Path(folder))
        try:
            partial.rename(self.directory)
        except OSError as error:
            raise BundleError(f"{self.directory}: the finished bundle cannot be put here ({error})") from error
        _flush(self.directory.parent)


def _is_plain(value: object) -> bool:
    """Whether JSON holds the value as it is: orjson alone would write NaN as null."""
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(inner) for key, inner in value.items())
    if isinstance(value, list | tuple):
        return all(_is_plain(inner) for inner in value)
    if isinstance(value, float):
        return bool(np.isfinite(value))
    return value is None or isinstance(value, str | int)


def _flush(path: Path) -> None:
    """Bring a file or a directory to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
