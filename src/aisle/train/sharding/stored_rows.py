"""Rows as another process opens them: mapped files are named, what is only in memory is sent.

Legend of shapes: R rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aisle.train.engine.batches import RankerRows


@dataclass(frozen=True)
class StoredRows:
    """Rows to send to a process of this machine.

    Attributes:
        arrays: Those of :class:`~aisle.train.engine.batches.RankerRows` in order; a path stands for a mapped
            ``.npy`` file.
    """

    arrays: tuple[Path | NDArray[Any] | None, ...]

    @classmethod
    def of(cls, rows: RankerRows) -> StoredRows:
        """Rows, each array by its file where it is one."""
        arrays = (rows.dense_RN, rows.sparse_RS, rows.label_R, rows.weight_R, rows.list_R)
        return cls(tuple(None if array is None else _stored(array) for array in arrays))

    def open(self) -> RankerRows:
        """The rows; files are mapped."""
        arrays: list[Any] = [_mapped(one) if isinstance(one, Path) else one for one in self.arrays]
        return RankerRows(*arrays)


def _mapped(path: Path) -> NDArray[Any]:
    array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    return array


def _stored(array: NDArray[Any]) -> Path | NDArray[Any]:
    """A file's path where the array is the whole file, and not a part or a copy of it."""
    if not isinstance(array, np.memmap) or array.filename is None:
        return array
    path = Path(array.filename)
    if path.suffix == ".npy":
        whole = _mapped(path)
        if (whole.shape, whole.dtype, whole.strides) == (array.shape, array.dtype, array.strides):
            return path
    return np.array(array)
