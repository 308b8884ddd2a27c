"""Columns as plain NumPy arrays, as a request brings them: how missing values look, and lists of unequal length.

Shapes: N rows, E elements of all lists together.

Numbers are float arrays (NaN: missing), integers and booleans (none missing), or object arrays of numbers and None.
Text is an object array of str and None. An array of one row stands for all rows: what is the same for every candidate
of a request, the user's and the context's columns, is computed once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aisle.errors import SchemaError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Ragged:
    """A list per row: row n holds ``values_E[offsets[n]:offsets[n + 1]]``; a missing list is an empty one."""

    values_E: NDArray[Any]
    offsets: Ints

    @classmethod
    def of(cls, lists: Sequence[Sequence[Any] | None], dtype: Any = object) -> Ragged:
        """Build from Python lists."""
        offsets = np.zeros(len(lists) + 1, np.int64)
        np.cumsum([len(one or ()) for one in lists], out=offsets[1:])
        values_E = np.empty(int(offsets[-1]), dtype)
        values_E[:] = [value for one in lists for value in one or ()]
        return cls(values_E, offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths_N(self) -> Ints:
        """The length of each list."""
        return np.diff(self.offsets)

    def to_lists(self) -> list[list[Any]]:
        """The lists as Python values."""
        return [part.tolist() for part in np.split(self.values_E, self.offsets[1:-1])] if len(self) else []


#: A column in a request.
Array = NDArray[Any] | Ragged
Columns = Mapping[str, Array]


def column(columns: Columns, name: str) -> Array:
    """A column by its name.

    Raises:
        SchemaError: it is not there.
    """
    try:
        return columns[name]
    except KeyError:
        raise SchemaError(f"expected a column {name!r}, received {', '.join(columns) or 'none'}") from None


def flat(columns: Columns, name: str) -> NDArray[Any]:
    """A column that holds one value per row.

    Raises:
        SchemaError: it is missing, or holds lists.
    """
    array = column(columns, name)
    if isinstance(array, Ragged):
        raise SchemaError(f"column {name!r}: expected one value per row, received lists; reduce them first (list_mean)")
    return array


def ragged(columns: Columns, name: str) -> Ragged:
    """A column that holds a list per row.

    Raises:
        SchemaError: it is missing, or holds plain values.
    """
    array = column(columns, name)
    if not isinstance(array, Ragged):
        raise SchemaError(f"column {name!r}: expected a list per row, received one value per row")
    return array


def as_numbers(array: NDArray[Any]) -> Floats:
    """Numbers as floats, missing ones as NaN; may be the array itself: do not write to it.

    Raises:
        SchemaError: something else than a number is in it.
    """
    if array.dtype.kind != "O":
        return _cast(array, np.float64)
    values = array.tolist()
    try:
        if any(isinstance(value, str) for value in values):
            raise TypeError("text")  # which NumPy would read as numbers where it can
        return np.array([np.nan if value is None else value for value in values], np.float64)
    except (TypeError, ValueError) as error:
        raise SchemaError(f"expected numbers and None, received something else ({error})") from error


def as_integers(array: NDArray[Any]) -> tuple[Ints, Mask | None]:
    """Integers, and where they are missing (None: nowhere).

    Raises:
        SchemaError: they are no integers of at most 64 bits.
    """
    if array.dtype.kind in "ib" or (array.dtype.kind == "u" and array.dtype.itemsize < 8):
        return _cast(array, np.int64), None
    values = array.tolist()
    missing_N = np.fromiter((value is None for value in values), np.bool_, len(values))
    try:
        if any(isinstance(value, float | str) for value in values):
            raise TypeError("text or fractions")
        filled = [0 if value is None else value for value in values]
        return np.fromiter(filled, np.int64, len(filled)), missing_N
    except (TypeError, ValueError, OverflowError) as error:
        raise SchemaError(
            f"expected integers of at most 64 bits and None, received something else ({error}); "
            "give ids that are not such numbers as text"
        ) from error


def as_text(array: NDArray[Any]) -> list[str | None]:
    """Text as Python strings, missing values as None.

    Raises:
        SchemaError: it is an array of numbers.
    """
    if array.dtype.kind not in "OUT":
        raise SchemaError(f"expected text (an object array of str and None), received the type {array.dtype}")
    values: list[str | None] = array.tolist()
    return values


def _cast(array: NDArray[Any], dtype: type[np.generic]) -> NDArray[Any]:
    if array.dtype.kind not in "fiub":
        raise SchemaError(f"expected numbers, received the type {array.dtype}")
    cast: NDArray[Any] = array.astype(dtype, copy=False)
    return cast
