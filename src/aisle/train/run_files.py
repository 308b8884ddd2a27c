"""What the run directories of all recipes have in common: names of files, one training at a time, whole files."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from aisle.errors import ConfigError, DataError

RECIPE_NAME = "recipe.yaml"
METRICS_NAME = "metrics.json"
EVALUATION_NAME = "evaluate.json"
LOG_NAME = "train.log"
BUNDLE_NAME = "bundle"
CHECKPOINTS_NAME = "checkpoints"
_LOCK_NAME = "lock"


@dataclass(frozen=True)
class RunFiles:
    """The files that every run has."""

    path: Path

    @property
    def bundle(self) -> Path:
        """What was trained, to serve or to be measured."""
        return self.path / BUNDLE_NAME

    @property
    def log(self) -> Path:
        """What training said."""
        return self.path / LOG_NAME

    @property
    def checkpoints(self) -> Path:
        """The state of an unfinished training."""
        return self.path / CHECKPOINTS_NAME

    @property
    def is_written(self) -> bool:
        """Whether a training has written all that it leaves here."""
        return (self.path / METRICS_NAME).is_file()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the directory for one training; the system lets go of it when the process ends, however it ends.

        Raises:
            ConfigError: another process trains here.
        """
        self.checkpoints.mkdir(parents=True, exist_ok=True)
        with (self.checkpoints / _LOCK_NAME).open("wb") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ConfigError(
                    f"{self.path}: expected a directory that nobody trains in, another process does; wait for it, or "
                    "choose another with -o"
                ) from None
            yield

    def write_metrics(self, metrics: Mapping[str, Any]) -> None:
        """Write ``metrics.json``, which says that the run is whole."""
        write_atomically(self.path / METRICS_NAME, orjson.dumps(metrics, option=orjson.OPT_INDENT_2))

    def read_metrics(self) -> dict[str, Any]:
        """Read ``metrics.json``.

        Raises:
            DataError: the run is not finished.
        """
        if not self.is_written:
            raise DataError(
                f"{self.path}: expected a finished run with {METRICS_NAME}; `aisle train -o RUN` writes one"
            )
        result: dict[str, Any] = orjson.loads((self.path / METRICS_NAME).read_bytes())
        return result

    def write_evaluation(self, report: Mapping[str, Any]) -> None:
        """Write ``evaluate.json``."""
        write_atomically(self.path / EVALUATION_NAME, orjson.dumps(report, option=orjson.OPT_INDENT_2))


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a reader, or a power cut, sees the old one or the new one whole."""
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(path)
