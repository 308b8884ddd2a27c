"""Backups: a whole workspace in one verified file, and back."""

from aisle.backup.restore import Restored, restore_workspace
from aisle.backup.save import Saved, save_workspace

__all__ = ["Restored", "Saved", "restore_workspace", "save_workspace"]
