"""Bundles: a whole pipeline as verified files of plain data (JSON, NumPy, Arrow); never pickle."""

from aisle.bundle.manifest import FORMAT_VERSION, FileEntry, Manifest
from aisle.bundle.reader import Bundle
from aisle.bundle.writer import BundleWriter

__all__ = ["FORMAT_VERSION", "Bundle", "BundleWriter", "FileEntry", "Manifest"]
