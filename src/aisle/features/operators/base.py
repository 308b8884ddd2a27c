"""What operators share: the schema they were built on, and the way from a partial fit to a fitted operator."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import ClassVar, Generic, Self, TypeVar

import polars as pl

from aisle.errors import NotFittedError, SchemaError
from aisle.features.arrays import Array, Columns
from aisle.features.frames import Frame
from aisle.features.operators.contract import Partial, State
from aisle.recipe.strict import Strict
from aisle.schema import OWNERS, Column, ColumnType, Schema, Tag

Spec = TypeVar("Spec", bound=Strict)
NUMERIC = (ColumnType.NUMBER, ColumnType.INTEGER, ColumnType.BOOLEAN)
CATEGORIES = (ColumnType.TEXT, ColumnType.INTEGER, ColumnType.BOOLEAN)


class BaseOperator(ABC, Generic[Spec]):
    """What all operators share.

    Args:
        spec: The configuration of this one operator.
        schema: The schema of its input; must hold the columns that it reads.
    """

    kind: ClassVar[str]

    def __init__(self, spec: Spec, schema: Schema) -> None:
        self.spec = spec
        self.inputs = schema.select(self._reads())
        self.fit_inputs = schema.select([*self._reads(), *self._also_fits_on()])
        self._check()

    @abstractmethod
    def _reads(self) -> list[str]:
        """The names of the columns that a transform reads."""

    def _also_fits_on(self) -> list[str]:
        """The names of the columns that only a fit reads."""
        return []

    @abstractmethod
    def _check(self) -> None:
        """Raise SchemaError where the inputs do not fit."""

    @abstractmethod
    def expressions(self) -> list[pl.Expr]:
        """Offline: one expression per output column."""

    @abstractmethod
    def online(self, columns: Columns) -> dict[str, Array]:
        """Online: the outputs for the rows of one request."""

    @abstractmethod
    def output_columns(self) -> list[Column]:
        """The columns it writes."""

    def transform(self, frame: Frame) -> Frame:
        """Offline: the frame, eager or lazy, with the outputs added."""
        return frame.with_columns(self.expressions())

    def output_schema(self, schema: Schema) -> Schema:
        """The schema after the operator."""
        return schema.with_columns(self.output_columns())

    def _expect(self, allowed: Iterable[ColumnType], *, lists: bool | None = False, remedy: str = "") -> None:
        """Refuse inputs of other types (``lists`` None: lists and plain values alike)."""
        allowed = tuple(allowed)
        for column in self.inputs:
            if column.type not in allowed or (lists is not None and column.is_list != lists):
                wanted = " or ".join(kind.value for kind in allowed)
                shape = {True: " in lists", False: "", None: ""}[lists]
                received = f"{column.type.value}{' in lists' if column.is_list else ''}"
                raise SchemaError(
                    f"{self.kind} of column {column.name!r}: expected {wanted}{shape}, received {received}"
                    + (f"; {remedy}" if remedy else "")
                )


class RowOperator(BaseOperator[Spec], Generic[Spec]):
    """Base of operators without a state: ready at once."""

    needs_fit: ClassVar[bool] = False

    @property
    def is_fitted(self) -> bool:
        """Whether it can transform."""
        return True

    @property
    def state(self) -> State:
        """Nothing is fitted."""
        return State()

    def with_state(self, state: State) -> Self:
        """There is no state to take."""
        del state
        return self

    def fit(self, partition: pl.DataFrame) -> None:
        """Nothing is fitted."""

    def merge(self, one: None, other: None) -> None:
        """Nothing is fitted."""

    def finalize(self, partial: None) -> Self:
        """Nothing is fitted."""
        del partial
        return self


class FittedOperator(BaseOperator[Spec], Generic[Spec, Partial]):
    """Base of operators with a state; they say how to fit, merge, conclude and load it."""

    def __init__(self, spec: Spec, schema: Schema, state: State | None = None) -> None:
        super().__init__(spec, schema)
        stated = self._stated()
        self.needs_fit = stated is None
        self._state = state if stated is None else stated
        if self._state is not None:
            self._load(self._state)

    def _stated(self) -> State | None:
        """The state where the configuration says all of it, so that there is nothing to fit."""
        return None

    @abstractmethod
    def fit(self, partition: pl.DataFrame) -> Partial:
        """What one partition contributes."""

    @abstractmethod
    def merge(self, one: Partial, other: Partial) -> Partial:
        """Both contributions as one."""

    @abstractmethod
    def _conclude(self, partial: Partial) -> State:
        """The state that all contributions together amount to."""

    @abstractmethod
    def _load(self, state: State) -> None:
        """Build what both executions need."""

    @property
    def is_fitted(self) -> bool:
        """Whether it can transform."""
        return self._state is not None

    @property
    def state(self) -> State:
        """What was fitted.

        Raises:
            NotFittedError: nothing was.
        """
        if self._state is None:
            raise NotFittedError(
                f"{self.kind} of {', '.join(self.inputs.names)}: expected a fitted operator, received an unfitted one; "
                "fit it on partitions of data, or load what was fitted"
            )
        return self._state

    def with_state(self, state: State) -> Self:
        """The operator with a state that was saved."""
        return type(self)(self.spec, self.fit_inputs, state)

    def finalize(self, partial: Partial) -> Self:
        """The fitted operator."""
        return self.with_state(self._conclude(partial))


def tags(inputs: Iterable[Column], *purposes: Tag) -> frozenset[Tag]:
    """The tags of an output: its purposes, and the owners that its inputs agree on (none where they differ)."""
    owners = [column.tags & OWNERS for column in inputs]
    shared = frozenset.intersection(*owners) if owners else frozenset()
    return shared | frozenset(purposes)


def key_dtype(source: Column) -> type[pl.DataType]:
    """What keys of a column are counted and looked up as."""
    return pl.String if source.type is ColumnType.TEXT else pl.Int64


def index_column(name: str, source: Column, num_rows: int | None) -> Column:
    """A column of table rows in the place of one input."""
    return Column(
        name=name,
        type=ColumnType.INTEGER,
        tags=tags([source], Tag.CATEGORICAL, *([Tag.SEQUENCE] if source.is_list else [])),
        is_list=source.is_list,
        num_rows=num_rows,
        length=source.length,
    )


def single(inputs: Schema) -> Column:
    """The one input of an operator that has one."""
    (source,) = inputs
    return source


def dense_column(name: str, *sources: Column) -> Column:
    """A column of numbers made of some inputs."""
    return Column(name=name, type=ColumnType.NUMBER, tags=tags(sources, Tag.DENSE))
