"""What a table recipe's features mean on the columns of a file: names written out, columns typed, inputs checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from aisle.errors import ConfigError, SchemaError
from aisle.features.frames import column_type, dtype_of
from aisle.features.operators import build_operators
from aisle.features.workflow import Workflow
from aisle.recipe.columns import expand_columns
from aisle.recipe.features import (
    CategorifySpec,
    FillMissingSpec,
    HashBucketSpec,
    ListColumnsSpec,
    ListSliceSpec,
    OperatorSpec,
    TargetStatisticsSpec,
    WorkflowSpec,
)
from aisle.recipe.strict import parse_strict
from aisle.recipe.table import InputsSpec, TableRecipe
from aisle.schema import Column, ColumnType, Schema, Tag

#: Operators that read categories; all others read numbers.
_OF_CATEGORIES = ("categorify", "cross", "hash_bucket", "target_statistics")


@dataclass(frozen=True)
class TableWorkflow:
    """The features of a table.

    Attributes:
        recipe: The recipe with every column named.
        workflow: Its operators, not fitted.
        types: The file's columns that they and the inputs read, and as what.
    """

    recipe: TableRecipe
    workflow: Workflow
    types: dict[str, pl.DataType]

    @property
    def time(self) -> str | None:
        """The column by which training rows must be in order, where statistics of the label need an order."""
        specs = self.recipe.features
        return next((spec.time for spec in specs if isinstance(spec, TargetStatisticsSpec)), None)


def table_workflow(recipe: TableRecipe, stored: Mapping[str, pl.DataType | None]) -> TableWorkflow:
    """Resolve a recipe on the columns of its training file.

    Args:
        recipe: The recipe; its lists of columns may hold ranges and patterns.
        stored: The file's columns with their types; None where a text is read as what an operator makes of it:
            categories as text, everything else as numbers, what serves as both as integers.

    Raises:
        ConfigError: a column is not there or of another type, an input is no number or no table row, or the label is
            read as a feature.
    """
    known = _KnownColumns(stored, recipe.data.label_columns)
    features = [known.apply(spec, f"features.{place} ({spec.kind})") for place, spec in enumerate(recipe.features)]
    dense = known.expand(recipe.inputs.dense, "inputs.dense")
    sparse = known.expand(recipe.inputs.sparse, "inputs.sparse")
    known.read(dense, ColumnType.NUMBER, "inputs.dense")
    known.read(sparse, ColumnType.INTEGER, "inputs.sparse")
    shared = sorted(set(dense) & set(sparse))
    if shared:
        raise ConfigError(f"inputs: expected each column once, received {', '.join(shared)} in dense and in sparse")
    for name in dense:
        _check_dense(known.schema[name])
    for name in sparse:
        _check_sparse(known.schema[name])
    schema = known.file_schema()
    workflow = Workflow.build(WorkflowSpec(operators=features), schema)
    tables = recipe.tables.features_of(sparse)
    _check_shared(tables, workflow)
    in_order = [name for names in tables.values() for name in names]
    resolved = recipe.model_copy(update={"features": features, "inputs": InputsSpec(dense=dense, sparse=in_order)})
    return TableWorkflow(resolved, workflow, {column.name: _stored_type(stored, column) for column in schema})


class _KnownColumns:
    """The columns that there are after each operator, and what the file's own are read as."""

    def __init__(self, stored: Mapping[str, pl.DataType | None], labels: tuple[str, ...]) -> None:
        self._stored = stored
        self._labels = labels
        self._uses: dict[str, set[ColumnType]] = {}
        self._made: set[str] = set()
        self.schema = Schema()  # of columns that something read or made

    def expand(self, names: list[str], place: str) -> list[str]:
        """The columns that the names mean here."""
        known = list(dict.fromkeys([*self._stored, *self.schema.names]))
        return expand_columns(names, known, place)

    def apply(self, spec: OperatorSpec, place: str) -> OperatorSpec:
        """The block with its columns written out; what it makes is known from now on."""
        columns = self.expand(spec.columns, f"{place}.columns")
        self.read(columns, _reads(spec), f"{place}.columns")
        if isinstance(spec, TargetStatisticsSpec):
            self.expand([spec.label], f"{place}.label")
            self._use(spec.label, ColumnType.NUMBER, place)
            self.read(self.expand([spec.time], f"{place}.time"), ColumnType.INTEGER, place)
        resolved = parse_strict(type(spec), spec.model_dump() | {"columns": columns}, place)
        try:
            for operator in build_operators(resolved, self.schema):
                self.schema = operator.output_schema(self.schema)
                self._made.update(column.name for column in operator.output_columns())
        except SchemaError as error:
            raise ConfigError(f"{place}: {error}") from error
        return resolved

    def read(self, names: list[str], kind: ColumnType, place: str) -> None:
        """Note what columns are read as."""
        for name in names:
            if name in self._labels:
                raise ConfigError(f"{place}: {name!r} is the label, a model that reads it learns nothing; leave it out")
            self._use(name, kind, place)

    def file_schema(self) -> Schema:
        """The file's columns that are read."""
        return Schema(self._column(name, "data") for name in self._stored if name in self._uses)

    def _use(self, name: str, kind: ColumnType, place: str) -> None:
        if name not in self._made:
            self._uses.setdefault(name, set()).add(kind)
            self.schema = self.schema.with_columns([self._column(name, place)])

    def _column(self, name: str, place: str) -> Column:
        dtype = self._stored[name]
        if name in self._labels:
            return Column(name=name, type=ColumnType.NUMBER, tags=frozenset({Tag.LABEL}))
        if dtype is None:
            uses = self._uses[name]
            return Column(name=name, type=next(iter(uses)) if len(uses) == 1 else ColumnType.INTEGER)
        try:
            kind, is_list = column_type(dtype)
        except SchemaError as error:
            raise ConfigError(f"{place}: column {name!r}: {error}") from error
        return Column(name=name, type=kind, is_list=is_list)


def _reads(spec: OperatorSpec) -> ColumnType:
    if spec.kind in _OF_CATEGORIES or (isinstance(spec, FillMissingSpec) and isinstance(spec.value, str)):
        return ColumnType.TEXT
    return ColumnType.INTEGER if spec.kind == "time_parts" else ColumnType.NUMBER


def _stored_type(stored: Mapping[str, pl.DataType | None], column: Column) -> pl.DataType:
    return stored[column.name] or dtype_of(column)


def _check_dense(column: Column) -> None:
    if Tag.CATEGORICAL in column.tags:
        raise ConfigError(f"inputs.dense: {column.name!r} holds table rows, which are no quantity; put it into sparse")
    if column.is_list or column.type is ColumnType.TEXT:
        received = f"{column.type.value}{' in lists' if column.is_list else ''}"
        raise ConfigError(
            f"inputs.dense: expected a number in {column.name!r}, received {received}; make table rows of it "
            "(categorify, hash_bucket), or numbers (list_mean), and name the result"
        )


def _check_sparse(column: Column) -> None:
    if column.is_list:
        raise ConfigError(
            f"inputs.sparse: expected one table row in each row of {column.name!r}, received lists; take them apart "
            "(list_columns), and name the columns that come of it"
        )
    if Tag.CATEGORICAL not in column.tags or column.type is not ColumnType.INTEGER:
        raise ConfigError(
            f"inputs.sparse: expected table rows in {column.name!r}, received {column.type.value} values; make rows of "
            "them first (categorify, hash_bucket, cross; bucketize for numbers)"
        )


def _check_shared(tables: Mapping[str, list[str]], workflow: Workflow) -> None:
    """Refuse features of one table whose rows mean different things."""
    origins = _origins(workflow)
    for table, names in tables.items():
        others = [name for name in names if origins.get(name, name) != origins.get(table, table)]
        if others:
            raise ConfigError(
                f"tables.shared.{table}: expected features whose rows mean the same, received {', '.join(others)}; "
                "make them by one categorify with joint: true, or by hash_bucket with equal numbers"
            )


def _origins(workflow: Workflow) -> dict[str, object]:
    """Columns of table rows whose origins are equal have one vocabulary."""
    origins: dict[str, object] = {}
    for place, operator in enumerate(workflow.operators):
        spec = operator.spec
        found: dict[str, object] = {}
        for column in operator.output_columns():
            if isinstance(spec, ListSliceSpec | ListColumnsSpec):
                found[column.name] = origins.get(spec.columns[0], spec.columns[0])
            elif isinstance(spec, HashBucketSpec):
                found[column.name] = (spec.num_buckets, spec.seed)
            else:
                found[column.name] = place if isinstance(spec, CategorifySpec) else (place, column.name)
        origins |= found
    return origins
