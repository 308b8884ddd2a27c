"""What the run directories of all recipes have in common: names of files, one training at a time, whole files."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aisle.errors import ConfigError

RECIPE_NAME = "recipe.yaml"
METRICS_NAME = "metrics.json"
EVALUATION_NAME = "evaluate.json"
LOG_NAME = "train.log"
BUNDLE_NAME = "bundle"
CHECKPOINTS_NAME = "checkpoints"
_LOCK_NAME = "lock"


@contextmanager
def hold_run(path: Path) -> Iterator[None]:
    """Hold a run directory for one training; the system lets go of it when the process ends, however it ends.

    Raises:
        ConfigError: another process trains there.
    """
    checkpoints = path / CHECKPOINTS_NAME
    checkpoints.mkdir(parents=True, exist_ok=True)
    with (checkpoints / _LOCK_NAME).open("wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(
                f"{path}: expected a directory that nobody trains in, another process does; wait for it, or choose "
                "another with -o"
            ) from None
        yield


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a reader, or a power cut, sees the old one or the new one whole."""
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(path)
