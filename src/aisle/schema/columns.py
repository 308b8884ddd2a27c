"""The columns of a table and what they mean: one schema drives operators, tables, batches, bundles and requests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

from aisle.errors import SchemaError


class ColumnType(StrEnum):
    """What a value, or each element of a list, is."""

    NUMBER = "number"
    INTEGER = "integer"
    TEXT = "text"
    BOOLEAN = "boolean"


class Tag(StrEnum):
    """What a column is for; a column may bear several (an item's dense feature)."""

    USER = "user"
    ITEM = "item"
    CONTEXT = "context"
    DENSE = "dense"
    CATEGORICAL = "categorical"
    SEQUENCE = "sequence"
    LABEL = "label"
    TIME = "time"


#: The tags that say whose column it is; an operator hands them on from its inputs to its outputs.
OWNERS = frozenset({Tag.USER, Tag.ITEM, Tag.CONTEXT})


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column.

    Args:
        name: Its name, unique in a schema.
        type: The type of its values (of its elements where it is a list).
        tags: What it is for.
        is_list: Whether each row holds a list.
        num_rows: For integers that index a table: how many rows the table needs (row 0 padding, row 1 unknown
            included), so values lie in ``[0, num_rows)``. None where it is no index, or not fitted yet.
        length: The length of every list, where all are equally long.
    """

    name: str
    type: ColumnType
    tags: frozenset[Tag] = frozenset()
    is_list: bool = False
    num_rows: int | None = None
    length: int | None = None

    def __post_init__(self) -> None:
        if not self.name:
            raise SchemaError("a column: expected a name, received an empty one")
        if self.num_rows is not None and (self.num_rows < 1 or self.type is not ColumnType.INTEGER):
            raise SchemaError(
                f"column {self.name!r}: expected num_rows >= 1 on an integer column, "
                f"received {self.num_rows} on type {self.type.value}"
            )
        if self.length is not None and (self.length < 0 or not self.is_list):
            raise SchemaError(f"column {self.name!r}: expected length >= 0 on a list, received {self.length}")

    def to_plain(self) -> dict[str, Any]:
        """The column as plain values for JSON."""
        plain: dict[str, Any] = {"name": self.name, "type": self.type.value, "tags": sorted(self.tags)}
        optional = {"is_list": self.is_list or None, "num_rows": self.num_rows, "length": self.length}
        return plain | {key: value for key, value in optional.items() if value is not None}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Self:
        """The column that :meth:`to_plain` wrote.

        Raises:
            SchemaError: the values are not those of a column.
        """
        try:
            values = dict(plain)
            values["type"] = ColumnType(values["type"])
            values["tags"] = frozenset(Tag(tag) for tag in values.get("tags", ()))
            return cls(**values)
        except (KeyError, TypeError, ValueError) as error:
            raise SchemaError(f"expected a column (name, type, tags ...), received {plain!r} ({error})") from error


class Schema:
    """Columns in order, each name once.

    Example:
        >>> schema = Schema([Column(name="age", type=ColumnType.NUMBER, tags=frozenset({Tag.USER, Tag.DENSE}))])
        >>> [column.name for column in schema.tagged(Tag.USER)]
        ['age']
    """

    def __init__(self, columns: Iterable[Column] = ()) -> None:
        self._columns: dict[str, Column] = {}
        for column in columns:
            if column.name in self._columns:
                raise SchemaError(f"expected each column once, received {column.name!r} twice; rename one")
            self._columns[column.name] = column

    def __iter__(self) -> Iterator[Column]:
        return iter(self._columns.values())

    def __len__(self) -> int:
        return len(self._columns)

    def __contains__(self, name: object) -> bool:
        return name in self._columns

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Schema) and list(self) == list(other)

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return f"Schema({list(self)!r})"

    def __getitem__(self, name: str) -> Column:
        try:
            return self._columns[name]
        except KeyError:
            raise SchemaError(
                f"expected a column {name!r}, received the columns {', '.join(self._columns) or '(none)'}"
            ) from None

    @property
    def names(self) -> list[str]:
        """The names in order."""
        return list(self._columns)

    def tagged(self, *tags: Tag) -> Schema:
        """The columns that bear all these tags."""
        return Schema(column for column in self if column.tags.issuperset(tags))

    def select(self, names: Iterable[str]) -> Schema:
        """These columns, in this order."""
        return Schema(self[name] for name in names)

    def with_columns(self, columns: Iterable[Column]) -> Schema:
        """These columns put in the place of their namesakes, or at the end."""
        merged = dict(self._columns)
        merged.update({column.name: column for column in columns})
        return Schema(merged.values())

    def to_plain(self) -> list[dict[str, Any]]:
        """The schema as plain values for JSON."""
        return [column.to_plain() for column in self]

    @classmethod
    def from_plain(cls, plain: object) -> Schema:
        """The schema that :meth:`to_plain` wrote."""
        if not isinstance(plain, list):
            raise SchemaError(f"expected a list of columns, received {plain!r}"[:300])
        return cls(Column.from_plain(column) for column in plain)
