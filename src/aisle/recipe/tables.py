"""The configuration of embedding tables: of which kind each is, and how large; or as large as some bytes allow.

Legend of sizes: n rows of a full table (padding and unknown included), D numbers of a looked up vector.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, Self, TypeVar

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from aisle.errors import ConfigError
from aisle.recipe.columns import expand_columns
from aisle.recipe.strict import Strict, nearest

_Spec = TypeVar("_Spec", bound=Strict)
BYTES_PER_NUMBER = 4
_SPECIAL = 2  # rows of padding and of the unknown id
#: A part of the numbers of the full table; the size of each table follows from it.
Share = Annotated[float, Field(gt=0, le=1)]


class FullSpec(Strict):
    """One row per id."""

    kind: Literal["full"] = "full"

    def sized(self, num_rows: int, width: int) -> Self:
        """Itself."""
        return self

    def num_parameters(self, num_rows: int, width: int) -> int:
        """``n * D``."""
        return num_rows * width


class HashedSpec(Strict):
    """Ids share ``num_buckets`` rows by a stable hash; or as many as make the table a ``share`` of the full one."""

    kind: Literal["hashed"]
    num_buckets: PositiveInt | None = None
    share: Share | None = None

    @model_validator(mode="after")
    def _one_size(self) -> Self:
        return _with_one_of(self, "num_buckets", "share")

    def sized(self, num_rows: int, width: int) -> Self:
        """With the number of buckets for a table of n rows."""
        if self.share is None:
            return self
        return self.model_copy(update={"num_buckets": _rows_behind(num_rows, self.share), "share": None})

    def num_parameters(self, num_rows: int, width: int) -> int:
        """Of a sized one: ``(num_buckets + 2) * D``."""
        return (_set(self.num_buckets) + _SPECIAL) * width


class ThresholdedSpec(Strict):
    """The ``num_kept`` commonest ids have rows, or as many as make a ``share``; all others are unknown."""

    kind: Literal["thresholded"]
    num_kept: PositiveInt | None = None
    share: Share | None = None

    @model_validator(mode="after")
    def _one_size(self) -> Self:
        return _with_one_of(self, "num_kept", "share")

    def sized(self, num_rows: int, width: int) -> Self:
        """With the number of ids that are kept of a table of n rows."""
        if self.share is None:
            return self
        return self.model_copy(update={"num_kept": _rows_behind(num_rows, self.share), "share": None})

    def num_parameters(self, num_rows: int, width: int) -> int:
        """Of a sized one: ``(num_kept + 2) * D``."""
        return min(num_rows, _set(self.num_kept) + _SPECIAL) * width


class QuotientRemainderSpec(Strict):
    """An id's vector is composed of those of ``id // modulus`` and ``id % modulus``.

    ``modulus``; or the largest one within a ``share``, so that the commonest ids differ by their remainder alone (never
    below the least size, that of ``sqrt(n)``, which is also that of neither given).
    """

    kind: Literal["quotient-remainder"]
    modulus: PositiveInt | None = None
    share: Share | None = None
    combine: Literal["mult", "add", "concat"] = "mult"

    @model_validator(mode="after")
    def _one_size(self) -> Self:
        return _with_one_of(self, "modulus", "share", or_none=True)

    def sized(self, num_rows: int, width: int) -> Self:
        """With the modulus for a table of n rows."""
        if self.modulus is not None:
            return self
        least = self._least_modulus(num_rows, width)
        budget = max(self._size(least, num_rows, width), int((self.share or 0) * num_rows * width))
        # The larger root of a m + b n / m = budget; ceil(n / m) may ask for some less.
        first, second = self._widths(width)
        root = math.sqrt(max(0, budget**2 - 4 * first * second * num_rows))
        modulus = min(num_rows, math.ceil((budget + root) / (2 * second)))
        while modulus > least and self._size(modulus, num_rows, width) > budget:
            modulus -= 1
        return self.model_copy(update={"modulus": modulus, "share": None})

    def num_parameters(self, num_rows: int, width: int) -> int:
        """Of a sized one: ``(ceil(n / m) + m) * D``, each part half as wide with ``concat``."""
        return self._size(_set(self.modulus), num_rows, width)

    def _widths(self, width: int) -> tuple[int, int]:
        return (width // 2, width - width // 2) if self.combine == "concat" else (width, width)

    def _size(self, modulus: int, num_rows: int, width: int) -> int:
        first, second = self._widths(width)
        return -(-num_rows // modulus) * first + modulus * second

    def _least_modulus(self, num_rows: int, width: int) -> int:
        first, second = self._widths(width)
        near = math.isqrt(num_rows * first // second)
        return min(range(max(1, near - 1), near + 3), key=lambda modulus: self._size(modulus, num_rows, width))


class LowRankSpec(Strict):
    """Rows of ``width`` numbers and a projection to D.

    ``width``; or the widest within a ``share``; or by ``temperature`` the larger the table the narrower (mixed
    dimensions): ``D * n ** -temperature``, at least 1.
    """

    kind: Literal["low-rank"]
    width: PositiveInt | None = None
    share: Share | None = None
    temperature: PositiveFloat | None = None

    @model_validator(mode="after")
    def _one_size(self) -> Self:
        return _with_one_of(self, "width", "share", "temperature")

    def sized(self, num_rows: int, width: int) -> Self:
        """With the width for a table of n rows."""
        if self.width is not None:
            return self
        if self.share is not None:
            narrow = int(self.share * num_rows * width / (num_rows + width))
        else:
            narrow = round(width * float(num_rows) ** -(self.temperature or 0.0))
        return self.model_copy(update={"width": max(1, narrow), "share": None, "temperature": None})

    def num_parameters(self, num_rows: int, width: int) -> int:
        """Of a sized one: ``n * width + width * D``."""
        return _set(self.width) * (num_rows + width)


TableKindSpec = Annotated[
    FullSpec | HashedSpec | ThresholdedSpec | QuotientRemainderSpec | LowRankSpec, Field(discriminator="kind")
]


class TablesSpec(Strict):
    """The tables of a ranker.

    ``kind`` holds for tables of at least ``compress_from`` rows that it makes smaller, the others are full;
    ``by_feature`` says otherwise, and holds in any case. ``shared`` names for a feature others that look up its table,
    as the places of a history do that of the item; ranges (``history_1..history_20``) and patterns are allowed.
    """

    embedding_dim: PositiveInt = 16
    kind: TableKindSpec = FullSpec()
    by_feature: dict[str, TableKindSpec] = {}
    shared: dict[str, Annotated[list[str], Field(min_length=1)]] = {}
    compress_from: NonNegativeInt = 1000

    def features_of(self, features: Sequence[str]) -> dict[str, list[str]]:
        """The tables, each by the name of its first feature, with all features that look it up.

        Args:
            features: All that there are.

        Raises:
            ConfigError: ``shared`` names a feature that there is not, or one twice.
        """
        tables = {name: [name] for name in features}
        for owner, names in self.shared.items():
            if owner not in features:
                raise ConfigError(f"tables.shared: unknown feature {owner!r}, {nearest(owner, list(features))}")
            place = f"tables.shared.{owner}"
            for name in expand_columns(names, features, place):
                if name == owner or owner not in tables or tables.pop(name, None) != [name]:
                    raise ConfigError(f"{place}: expected {name!r} to share one table, and {owner!r} to have its own")
                tables[owner].append(name)
        return tables

    def resolve(self, table_sizes: Mapping[str, int], width: int | None = None) -> dict[str, TableKindSpec]:
        """The kind of each table, with its numbers.

        Args:
            table_sizes: The rows n of each feature's full table.
            width: D, if the model looks up other vectors than those of ``embedding_dim``.

        Returns:
            By the name of each table's first feature.

        Raises:
            ConfigError: ``by_feature`` names a feature that has no table of its own.
        """
        tables = list(self.features_of(list(table_sizes)))
        for name in self.by_feature:
            if name not in tables:
                raise ConfigError(f"tables.by_feature: unknown feature {name!r}, {nearest(name, tables)}")
        dim = self.embedding_dim if width is None else width
        return {name: self._kind_of(name, table_sizes[name], dim) for name in tables}

    def num_bytes(self, table_sizes: Mapping[str, int], width: int | None = None) -> int:
        """The bytes of all tables in training, in float32."""
        dim = self.embedding_dim if width is None else width
        kinds = self.resolve(table_sizes, width)
        return BYTES_PER_NUMBER * sum(kind.num_parameters(table_sizes[name], dim) for name, kind in kinds.items())

    def within(self, num_bytes: int, table_sizes: Mapping[str, int], width: int | None = None) -> Self:
        """The same with the largest share, one for all tables of ``kind``, that takes no more than so many bytes.

        A step of a table is a row, or for low-rank tables a column: fewer bytes may be taken by less than that.

        Args:
            num_bytes: Of all tables together, those that stay full included.
            table_sizes: The rows n of each feature's full table.
            width: As in :meth:`resolve`.

        Raises:
            ConfigError: the kind is full, or the smallest such tables take more.
        """
        if isinstance(self.kind, FullSpec):
            raise ConfigError("tables.kind: expected one that takes fewer bytes, received full")
        low, high = 0.0, 1.0
        if self._with_share(high).num_bytes(table_sizes, width) > num_bytes:
            for _ in range(50):
                middle = (low + high) / 2
                fits = self._with_share(middle).num_bytes(table_sizes, width) <= num_bytes
                low, high = (middle, high) if fits else (low, middle)
            high = low
        found = self._with_share(high or 2.0**-50)
        taken = found.num_bytes(table_sizes, width)
        if taken > num_bytes:
            raise ConfigError(
                f"tables: expected at least {taken} bytes for {self.kind.kind} tables of {self.embedding_dim} numbers, "
                f"received {num_bytes}; compress smaller tables too (compress_from), or take another kind"
            )
        return found

    def _with_share(self, share: float) -> Self:
        others = dict.fromkeys(("num_buckets", "num_kept", "modulus", "width", "temperature"), None)
        fields = {name: value for name, value in others.items() if name in type(self.kind).model_fields}
        return self.model_copy(update={"kind": self.kind.model_copy(update={**fields, "share": share})})

    def _kind_of(self, name: str, num_rows: int, width: int) -> TableKindSpec:
        if name in self.by_feature:
            return self.by_feature[name].sized(num_rows, width)
        kind, full = self.kind.sized(num_rows, width), FullSpec()
        wider = isinstance(kind, LowRankSpec) and _set(kind.width) > width  # trains more, serves as many
        smaller = kind.num_parameters(num_rows, width) < full.num_parameters(num_rows, width)
        return kind if num_rows >= self.compress_from and (smaller or wider) else full


def _with_one_of(spec: _Spec, *names: str, or_none: bool = False) -> _Spec:
    given = [name for name in names if getattr(spec, name) is not None]
    if len(given) > 1 or not (given or or_none):
        raise ValueError(f"expected one of {', '.join(names)}, received {' and '.join(given) or 'none'}")
    return spec


def _rows_behind(num_rows: int, share: float) -> int:
    """Rows behind padding and unknown in a share of the full table."""
    return max(1, int(share * num_rows) - _SPECIAL)


def _set(number: int | None) -> int:
    if number is None:
        raise ValueError("expected a kind with its numbers, received one without; use TablesSpec.resolve")
    return number
