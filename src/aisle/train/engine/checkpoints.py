"""Checkpoints: one safetensors file, its plain state as JSON in the file's header, replaced whole or not at all."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import safetensors
from safetensors.torch import save
from torch import Tensor

from aisle.errors import DataError

CHECKPOINT_NAME = "checkpoint.safetensors"
_FORMAT = "aisle-checkpoint-1"


@dataclass(frozen=True)
class Checkpoint:
    """Tensors by name, which are read to the processor from wherever they were written, and plain values."""

    tensors: dict[str, Tensor]
    state: dict[str, Any]

    def tensors_of(self, part: str) -> dict[str, Tensor]:
        """The tensors ``part/...``, without the part's name."""
        prefix = f"{part}/"
        return {name.removeprefix(prefix): one for name, one in self.tensors.items() if name.startswith(prefix)}


class Checkpoints:
    """Where a training keeps its last checkpoint, and how often it writes one.

    A kill at any moment leaves the last checkpoint or the one before: the new file is made beside it, brought to the
    disk, and renamed over it.

    Args:
        directory: Made where missing.
        every_steps: Write after so many steps.
        every_seconds: Write when so much time has passed; whichever comes first.
    """

    def __init__(self, directory: Path, *, every_steps: int | None = None, every_seconds: float | None = 60.0) -> None:
        if (every_steps is not None and every_steps < 1) or (every_seconds is not None and every_seconds < 0):
            raise ValueError(
                f"expected every_steps >= 1 and every_seconds >= 0, received {every_steps}, {every_seconds}"
            )
        self.path = directory / CHECKPOINT_NAME
        self._every_steps = every_steps
        self._every_seconds = every_seconds
        self._written_at = time.monotonic()

    def is_due(self, num_steps: int) -> bool:
        """Whether one should be written after so many steps."""
        if self._every_steps is not None and num_steps % self._every_steps == 0:
            return True
        return self._every_seconds is not None and time.monotonic() - self._written_at >= self._every_seconds

    def write(self, checkpoint: Checkpoint) -> None:
        """Replace the checkpoint."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        header = {"format": _FORMAT, "state": orjson.dumps(checkpoint.state).decode()}
        content = save({name: one.cpu().contiguous() for name, one in checkpoint.tensors.items()}, metadata=header)
        partial = self.path.with_suffix(".partial")
        with partial.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(self.path)
        _flush_directory(self.path.parent)
        self._written_at = time.monotonic()

    def read(self) -> Checkpoint | None:
        """The last checkpoint; ``None`` where none was written yet.

        Raises:
            DataError: the file is no checkpoint of this version.
        """
        if not self.path.exists():
            return None
        try:
            with safetensors.safe_open(self.path, framework="pt") as file:
                header: Mapping[str, str] = file.metadata() or {}
                # Clones: the loaded ones may lie at any address, which fast kernels may treat otherwise.
                tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118  # no mapping
        except safetensors.SafetensorError as error:
            raise DataError(
                f"{self.path}: expected a checkpoint ({error}); remove it and train from the start"
            ) from error
        if header.get("format") != _FORMAT:
            raise DataError(
                f"{self.path}: expected a checkpoint of the format {_FORMAT}, received {header.get('format')!r}; "
                "remove it and train from the start"
            )
        return Checkpoint(tensors, orjson.loads(header["state"]))

    def remove(self) -> None:
        """Forget what was written."""
        self.path.unlink(missing_ok=True)
        self.path.with_suffix(".partial").unlink(missing_ok=True)


def _flush_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
