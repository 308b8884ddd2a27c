"""The rows of a table as training reads them: label and weight checked, parts told apart; and the files of the result.

Legend of shapes: R rows, N dense features, S sparse features, K labels of a model of several.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

import numpy as np
import polars as pl
from numpy.lib import format as npy
from numpy.typing import DTypeLike, NDArray

from aisle.data.splits import PartOf
from aisle.data.table_files import TableFile
from aisle.errors import DataError
from aisle.recipe.data import TableDataSpec

#: Columns beside those of the file.
LABEL: Final = "__label"
WEIGHT: Final = "__weight"
PART: Final = "__part"


@dataclass(frozen=True)
class TableSource:
    """One file of the table.

    Attributes:
        table: The file.
        data: Which columns are label and weight.
        part_of: The part of each row.
        parts: The names of parts by their number; a file of one part has one.
    """

    table: TableFile
    data: TableDataSpec
    part_of: PartOf
    parts: tuple[str, ...]

    def frames(self, types: dict[str, pl.DataType]) -> Iterator[pl.DataFrame]:
        """All rows in order, with :data:`LABEL`, :data:`WEIGHT` and :data:`PART` beside the columns asked for.

        Of several labels, label and weight hold an array each; a missing one is 0 and weighs nothing.

        Raises:
            DataError: a label is neither 0 nor 1, or a weight is negative or missing.
        """
        first = 0
        for frame in self.table.batches(types):
            part = pl.Series(PART, self.part_of(first, frame))
            weight = self._weight(self.data.weight, frame, first)
            if self.data.tasks:
                yield frame.with_columns(*self._tasks(frame, weight, first), part)
            else:
                yield frame.with_columns(self._label(self.data.label, frame, first), weight, part)
            first += len(frame)

    def _tasks(self, frame: pl.DataFrame, weight: pl.Series, first: int) -> tuple[pl.Series, pl.Series]:
        """Labels and weights as arrays."""
        labels, weights = [], []
        for name in self.data.tasks:
            label = self._label(name, frame, first)
            own = self._weight(self.data.task_weights.get(name), frame, first)
            labels.append(label.fill_null(0).to_numpy())
            weights.append((weight * own * label.is_not_null().cast(pl.Float32)).to_numpy())
        label_RK, weight_RK = np.stack(labels, axis=1), np.stack(weights, axis=1)
        return pl.Series(LABEL, label_RK), pl.Series(WEIGHT, weight_RK)

    def _label(self, name: str, frame: pl.DataFrame, first: int) -> pl.Series:
        above, may_be_missing = self.data.label_above, bool(self.data.tasks)
        column = _numbers(frame[name], "numbers, or true and false").fill_nan(None)
        if above is not None:
            column = (column > above).cast(pl.Float64)
        wrong = column.filter(~column.is_in([0.0, 1.0]).fill_null(may_be_missing))
        if len(wrong):
            values = ", ".join("missing" if value is None else f"{value:g}" for value in wrong.unique().sort().head(5))
            remedy = "write a label in each row" if above is not None else "or set data.label_above to a threshold"
            raise DataError(
                f"label {name!r}: expected 0 or 1, received {values} ({len(wrong)} of rows {first + 1} to "
                f"{first + len(frame)} of {self.table.path}); {remedy}"
            )
        return column.cast(pl.Float32).alias(LABEL)

    def _weight(self, name: str | None, frame: pl.DataFrame, first: int) -> pl.Series:
        if name is None:
            return pl.repeat(1.0, len(frame), dtype=pl.Float32, eager=True).alias(WEIGHT)
        column = _numbers(frame[name], "numbers").cast(pl.Float32)
        num_wrong = len(frame) - int((column.is_finite() & (column >= 0)).fill_null(False).sum())
        if num_wrong:
            raise DataError(
                f"weight {name!r}: expected finite numbers from 0 on, received {num_wrong} others in rows "
                f"{first + 1} to {first + len(frame)} of {self.table.path}"
            )
        return column.alias(WEIGHT)


@dataclass(frozen=True)
class PartSummary:
    """What one part amounts to.

    Attributes:
        num_rows: All of them.
        num_known: For each label the rows that weigh something.
        num_positive: Those of them where it is 1.
        weight: The sum of their weights.
    """

    num_rows: int
    num_known: tuple[int, ...]
    num_positive: tuple[int, ...]
    weight: tuple[float, ...]


def label_types(data: TableDataSpec) -> dict[str, pl.DataType]:
    """The columns of labels and weights, as what a text is read."""
    weights = [*([] if data.weight is None else [data.weight]), *data.task_weights.values()]
    return {name: pl.Float64() for name in (*data.label_columns, *weights)}


def summarize(source: TableSource, types: dict[str, pl.DataType], report: Callable[[int], None]) -> list[PartSummary]:
    """Count the rows of each part; labels and weights are checked on the way.

    Args:
        source: The file.
        types: The columns of label, weight and split.
        report: Told how many rows were read.
    """
    num_labels = len(source.data.label_columns)
    num_rows = np.zeros(len(source.parts), np.int64)
    totals = np.zeros((len(source.parts), 3, num_labels))
    for frame in source.frames(types):
        part_R = frame[PART].to_numpy()
        label_RK, weight_RK = (frame[name].to_numpy().reshape(len(frame), num_labels) for name in (LABEL, WEIGHT))
        is_known_RK = weight_RK > 0
        for column, amounts_RK in enumerate((is_known_RK, label_RK * is_known_RK, weight_RK)):
            for label in range(num_labels):
                totals[:, column, label] += np.bincount(part_R, amounts_RK[:, label], len(source.parts))
        num_rows += np.bincount(part_R, minlength=len(source.parts))
        report(int(num_rows.sum()))
    return [
        PartSummary(int(rows), tuple(map(int, known)), tuple(map(int, positive)), tuple(map(float, weight)))
        for rows, (known, positive, weight) in zip(num_rows, totals, strict=True)
    ]


class ArrayFile:
    """A ``.npy`` file of a known shape, written from its first row to its last.

    Args:
        path: The file.
        dtype: Its numbers.
        shape: Rows first.
    """

    def __init__(self, path: Path, dtype: DTypeLike, shape: tuple[int, ...]) -> None:
        self._path = path
        self._dtype = np.dtype(dtype)
        self._shape = shape
        self._num_rows = 0
        self._stream: BinaryIO = path.open("wb")
        header = {"descr": npy.dtype_to_descr(self._dtype), "fortran_order": False, "shape": shape}
        npy.write_array_header_1_0(self._stream, header)

    def append(self, rows: NDArray[np.generic]) -> None:
        """Write the next rows."""
        assert rows.shape[1:] == self._shape[1:], f"{self._path}: rows of {self._shape}, received {rows.shape}"
        self._stream.write(np.ascontiguousarray(rows, self._dtype).data)
        self._num_rows += len(rows)

    def close(self) -> None:
        """Bring it to the disk.

        Raises:
            DataError: there were other rows than those counted before.
        """
        self._stream.flush()
        os.fsync(self._stream.fileno())
        self._stream.close()
        if self._num_rows != self._shape[0]:
            raise DataError(
                f"expected {self._shape[0]} rows, received {self._num_rows}: the file changed while it was read; try "
                "again"
            )

    def abandon(self) -> None:
        """Close it as it is."""
        self._stream.close()


class PartWriter:
    """The arrays of one part, in a folder of their own.

    Args:
        directory: The folder.
        num_rows: R.
        dense: The names of the dense columns.
        sparse: The names of the columns of table rows.
        num_tasks: K of a model of several labels, else 0.
    """

    def __init__(
        self, directory: Path, num_rows: int, dense: Sequence[str], sparse: Sequence[str], *, num_tasks: int = 0
    ) -> None:
        directory.mkdir(parents=True)
        of_labels = (num_rows, num_tasks) if num_tasks else (num_rows,)
        self._dense, self._sparse = list(dense), list(sparse)
        self._num_rows = num_rows
        self._num_missing = np.zeros(len(dense), np.int64)
        self._num_infinite = np.zeros(len(dense), np.int64)
        self._files = {
            "dense": ArrayFile(directory / "dense.npy", np.float32, (num_rows, len(dense))),
            "sparse": ArrayFile(directory / "sparse.npy", np.int32, (num_rows, len(sparse))),
            "label": ArrayFile(directory / "label.npy", np.float32, of_labels),
            "weight": ArrayFile(directory / "weight.npy", np.float32, of_labels),
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in self._files.values():
            if kind is None:
                file.close()
            else:
                file.abandon()

    def append(self, frame: pl.DataFrame) -> None:
        """Write the next rows, after the workflow."""
        dense_RN = _matrix(frame, self._dense, pl.Float32)
        self._num_missing += np.isnan(dense_RN).sum(axis=0)
        self._num_infinite += np.isinf(dense_RN).sum(axis=0)
        self._files["dense"].append(dense_RN)
        self._files["sparse"].append(_matrix(frame, self._sparse, pl.Int32))
        self._files["label"].append(frame[LABEL].to_numpy())
        self._files["weight"].append(frame[WEIGHT].to_numpy())

    def check(self, part: str) -> None:
        """Refuse dense inputs that are no finite numbers.

        Raises:
            DataError: naming the columns.
        """
        for wrong, what, remedy in (
            (self._num_missing, "missing", "put fill_missing last before it, or bucketize it into inputs.sparse"),
            (self._num_infinite, "infinite or beyond float32", "use log, or standardize with clip"),
        ):
            for name, number in zip(self._dense, wrong.tolist(), strict=True):
                if number:
                    raise DataError(
                        f"inputs.dense: expected finite numbers in column {name!r}, received {number:,} {what} of "
                        f"{self._num_rows:,} rows of {part}; {remedy}"
                    )


def _matrix(frame: pl.DataFrame, names: list[str], dtype: type[pl.DataType]) -> NDArray[np.generic]:
    """Columns side by side; missing numbers are NaN."""
    matrix: NDArray[np.generic] = np.empty((len(frame), len(names)), np.float32 if dtype == pl.Float32 else np.int32)
    for place, name in enumerate(names):
        matrix[:, place] = frame[name].cast(dtype).to_numpy()
    return matrix


def _numbers(column: pl.Series, wanted: str) -> pl.Series:
    if not (column.dtype.is_numeric() or column.dtype == pl.Boolean):
        raise DataError(f"column {column.name!r}: expected {wanted}, received {column.dtype}")
    return column.cast(pl.Float64)
