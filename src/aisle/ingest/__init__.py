"""Ingest: files into the store, checked, without doubles, resumable; and the check of what a workspace holds."""

from aisle.ingest.event_ids import event_ids
from aisle.ingest.importer import import_files
from aisle.ingest.mapping import FieldMap, Kind
from aisle.ingest.report import FileReport, ImportReport

__all__ = ["FieldMap", "FileReport", "ImportReport", "Kind", "event_ids", "import_files"]
