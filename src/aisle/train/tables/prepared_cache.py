"""Keeps the prepared tables of the cache within bounds: beyond them, what was not used for long is removed."""

from __future__ import annotations

import logging
import os
import shutil
import time
from pathlib import Path

logger = logging.getLogger(__name__)

#: All prepared tables together.
MAX_BYTES = 20 * 10**9
#: What was used within this time stays in any case: a training may be at it.
MIN_UNUSED_SECONDS = 24 * 3600.0


def prune(
    directory: Path, *, used: Path, max_bytes: int = MAX_BYTES, min_unused_seconds: float = MIN_UNUSED_SECONDS
) -> list[Path]:
    """Remove the tables that were not used for longest until all others are within bounds.

    Args:
        directory: Holds prepared tables, one folder each.
        used: The one that is used now; noted as such.
        max_bytes: Bounds them all.
        min_unused_seconds: See :data:`MIN_UNUSED_SECONDS`.

    Returns:
        What was removed.
    """
    os.utime(used)
    places = [place for place in directory.iterdir() if place.is_dir() and not place.name.startswith(".")]
    last_used = {place: place.stat().st_mtime for place in places}
    sizes = {place: sum(path.stat().st_size for path in place.rglob("*") if path.is_file()) for place in places}
    total, removed = sum(sizes.values()), []
    for place in sorted(places, key=last_used.__getitem__):
        if total <= max_bytes or time.time() - last_used[place] < min_unused_seconds or place == used:
            continue
        logger.info("remove %s, which was not used for long", place)
        shutil.rmtree(place, ignore_errors=True)
        total -= sizes[place]
        removed.append(place)
    return removed
