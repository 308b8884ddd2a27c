"""The manifest of a bundle: what it is, what it knows up to when, and the size and hash of every file."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from aisle.errors import BundleError

MANIFEST_NAME = "manifest.json"
FORMAT = "aisle-bundle"
#: Raised when an older Aisle could misread what a newer one writes.
FORMAT_VERSION = 1
_MAX_MANIFEST_BYTES = 16 << 20
_PART = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}"
_NAME = re.compile(rf"{_PART}(/{_PART}){{0,7}}")

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class FileEntry(BaseModel):
    """What one file must be."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    bytes: Annotated[int, Field(ge=0)]
    sha256: Sha256


class Manifest(BaseModel):
    """The content of ``manifest.json``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["aisle-bundle"] = "aisle-bundle"
    format_version: int = FORMAT_VERSION
    aisle_version: str
    name: str
    version: Annotated[str, Field(min_length=1, max_length=128)]
    created: str
    #: Times in milliseconds by what they speak of: ``fitted_until`` (of what is served), ``split`` (of the metrics).
    cut_offs: dict[str, int]
    #: Whatever else the trainer wants to keep beside (metrics, the recipe's name, counts).
    extra: dict[str, Any]
    files: dict[str, FileEntry]


def check_name(name: str) -> str:
    """Give back a relative name that stays inside the bundle on every system.

    Raises:
        BundleError: it could lead outside, or is not portable.
    """
    if not _NAME.fullmatch(name) or name == MANIFEST_NAME:
        raise BundleError(
            f"{name!r}: expected a file name inside the bundle (letters, digits, _ . - in at most 8 parts joined by /)"
        )
    return name


def parse_manifest(content: bytes, path: Path) -> Manifest:
    """Read a manifest.

    Raises:
        BundleError: it is not one, is written by a newer Aisle, or names a file outside the bundle.
    """
    try:
        data = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise BundleError(f"{path}: expected JSON, received something else ({error})") from error
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise BundleError(f"{path}: expected the manifest of a bundle (format {FORMAT!r})")
    version = data.get("format_version")
    if not isinstance(version, int) or version > FORMAT_VERSION:
        raise BundleError(
            f"{path}: expected format_version <= {FORMAT_VERSION}, received {version!r}; "
            "the bundle comes from a newer Aisle: upgrade, or train again with this one"
        )
    try:
        manifest = Manifest.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise BundleError(f"{path}: {place!r}: {first['msg']}, received {first['input']!r}") from error
    for name in manifest.files:
        check_name(name)
    return manifest


def read_manifest_bytes(directory: Path) -> bytes:
    """The raw manifest of a bundle's directory.

    Raises:
        BundleError: there is none, or it is too large to be one.
    """
    path = directory / MANIFEST_NAME
    if path.is_symlink() or not path.is_file():
        raise BundleError(f"{path}: expected a bundle with a manifest, there is none; name a bundle's directory")
    if path.stat().st_size > _MAX_MANIFEST_BYTES:
        raise BundleError(f"{path}: expected at most {_MAX_MANIFEST_BYTES} bytes, received {path.stat().st_size}")
    return path.read_bytes()


def file_entry(path: Path) -> FileEntry:
    """Size and hash of a file on disk."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return FileEntry(bytes=path.stat().st_size, sha256=digest)
