"""Which column of a file holds which field: by its name, by ``--map field=column``, or by a constant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel

from aisle.errors import ConfigError
from aisle.schema import Event, Item, User

Kind = Literal["items", "users", "events"]

RECORDS: dict[Kind, type[BaseModel]] = {"items": Item, "users": User, "events": Event}
#: Each group needs at least one of its fields (a file without any of them is the wrong file, or needs ``--map``).
REQUIRED: dict[Kind, tuple[tuple[str, ...], ...]] = {
    "items": (("item_id",),),
    "users": (("user_id",),),
    "events": (("type",), ("item_id", "items"), ("user_id", "session_id"), ("timestamp",)),
}


@dataclass(frozen=True)
class FieldMap:
    """How the fields of a kind of record are filled from a file's columns.

    A field that is not mapped comes from the column of its own name, where there is one.
    """

    kind: Kind
    columns: dict[str, str] = field(default_factory=dict)
    constants: dict[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, kind: Kind, rules: Iterable[str]) -> FieldMap:
        """Read ``field=column`` and ``field:=constant`` rules.

        Raises:
            ConfigError: a rule has another form, names no field, or a field twice.
        """
        columns: dict[str, str] = {}
        constants: dict[str, str] = {}
        for rule in rules:
            name, separator, value = rule.partition("=")
            is_constant = name.endswith(":")
            name = name.removesuffix(":").strip()
            if not separator or not name or not value:
                raise ConfigError(f"expected --map field=column or field:=constant, received {rule!r}")
            known = list(RECORDS[kind].model_fields)
            if name not in known:
                nearest = difflib.get_close_matches(name, known, n=1)
                hint = f"did you mean {nearest[0]!r}?" if nearest else f"fields of {kind}: {', '.join(known)}"
                raise ConfigError(f"--map {rule}: {kind} have no field {name!r}; {hint}")
            if name in columns or name in constants:
                raise ConfigError(f"--map {rule}: the field {name!r} is mapped twice")
            (constants if is_constant else columns)[name] = value
        return cls(kind, columns, constants)

    def columns_of(self, available: Sequence[str]) -> dict[str, str]:
        """For each field that comes from a column, that column, given the columns that a file has.

        Raises:
            ConfigError: a mapped column is missing, or nothing fills a required field.
        """
        names = set(available)
        for name, column in self.columns.items():
            if column not in names:
                raise ConfigError(
                    f"--map {name}={column}: expected a column {column!r}; the file has {_list(available)}"
                )
        own = {name: name for name in RECORDS[self.kind].model_fields if name in names and name not in self.constants}
        found = own | self.columns
        for group in REQUIRED[self.kind]:
            if not any(name in found or name in self.constants for name in group):
                raise ConfigError(
                    f"expected a column for {' or '.join(group)}, the file has {_list(available)}; name it with "
                    f"--map {group[0]}=COLUMN or give one value for all rows with --map {group[0]}:=VALUE"
                )
        return found

    def apply(self, row: dict[str, Any]) -> dict[str, Any]:
        """The fields of one row of a file whose rows need not have the same columns."""
        fields = {
            name: row[column]
            for name in RECORDS[self.kind].model_fields
            if (column := self.columns.get(name, name)) in row
        }
        return fields | self.constants

    def signature(self) -> str:
        """A text that is the same for the same mapping."""
        return repr((self.kind, sorted(self.columns.items()), sorted(self.constants.items())))


def _list(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:20])
    return shown + (f" and {len(names) - 20} more" if len(names) > 20 else "")
