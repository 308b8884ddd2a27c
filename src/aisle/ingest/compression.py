"""Plain, .gz and .zst files as streams of bytes, and whole into a file where a format needs to jump about."""

from __future__ import annotations

import gzip
import io
import shutil
import zlib
from pathlib import Path
from typing import IO, BinaryIO, cast

import zstandard

from aisle.errors import DataError

#: What a damaged compressed file raises while it is read.
DAMAGED = (OSError, EOFError, zlib.error, zstandard.ZstdError)
_SUFFIXES = (".gz", ".zst")
_SKIP_BYTES = 1 << 20


def is_compressed(path: Path) -> bool:
    """Whether the name says that the file is compressed."""
    return path.suffix.lower() in _SUFFIXES


def format_suffix(path: Path) -> str:
    """The suffix that names the format: ``.csv`` of ``shop.csv.gz``."""
    return (path.with_suffix("") if is_compressed(path) else path).suffix.lower()


class _Sips:
    """Hands a file to a decompressor in small reads, so that its position tells how far the import is."""

    def __init__(self, raw: IO[bytes], size: int) -> None:
        self._raw = raw
        self._sip_bytes = min(max(size // 200, 1024), 1 << 16)

    def read(self, size: int = -1) -> bytes:
        return self._raw.read(self._sip_bytes if size < 0 else min(size, self._sip_bytes))


class ByteStream:
    """A file's uncompressed bytes from an offset on, which knows how far it is in the file itself."""

    def __init__(self, path: Path, offset: int = 0) -> None:
        self._raw: IO[bytes] = path.open("rb")
        self._stream = cast(BinaryIO, self._raw)
        try:
            sips = cast(BinaryIO, _Sips(self._raw, path.stat().st_size))
            if path.suffix.lower() == ".gz":
                self._stream = cast(BinaryIO, gzip.GzipFile(fileobj=sips, mode="rb"))
                self._skip(offset)
            elif path.suffix.lower() == ".zst":
                reader = zstandard.ZstdDecompressor().stream_reader(sips, read_across_frames=True)
                self._stream = cast(BinaryIO, io.BufferedReader(cast(io.RawIOBase, reader), 1 << 14))
                self._skip(offset)
            else:
                self._raw.seek(offset)
        except BaseException:
            self.close()
            raise

    def readline(self, limit: int) -> bytes:
        """The next line with its end, or its first ``limit`` bytes; empty at the end."""
        return self._stream.readline(limit)

    def position(self) -> int:
        """How many bytes of the file itself were taken so far."""
        return self._raw.tell()

    def _skip(self, offset: int) -> None:
        while offset > 0:
            taken = len(self._stream.read(min(offset, _SKIP_BYTES)))
            if taken == 0:
                raise EOFError("the stream ends before the place where the import stopped")
            offset -= taken

    def close(self) -> None:
        """Close the file."""
        self._stream.close()
        self._raw.close()


def expand(path: Path, target: Path) -> None:
    """Write a compressed file's content to another file.

    Raises:
        DataError: the file is damaged.
    """
    try:
        with path.open("rb") as raw, target.open("wb") as out:
            if path.suffix.lower() == ".gz":
                with gzip.GzipFile(fileobj=raw) as stream:
                    shutil.copyfileobj(stream, out, _SKIP_BYTES)
            else:
                zstandard.ZstdDecompressor().copy_stream(raw, out)
    except DAMAGED as error:
        raise DataError(f"cannot expand {path}: {error}; the file is damaged or cut off, fetch it again") from error
