"""The contract of every operator: a row transform with one fitted state and two executions of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, Self, TypeVar

import polars as pl
from numpy.typing import NDArray

from aisle.features.arrays import Array, Columns
from aisle.features.frames import Frame
from aisle.recipe.strict import Strict
from aisle.schema import Column, Schema

Partial = TypeVar("Partial")


@dataclass(frozen=True)
class State:
    """What a fit found, as plain data: finite values for JSON, arrays for ``.npy``, tables for Arrow."""

    values: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)
    frames: dict[str, pl.DataFrame] = field(default_factory=dict)


class Operator(Protocol[Partial]):
    """One operator: built from its configuration and the schema of its input, fitted, then only read.

    Fitting runs on one core, many or a cluster: :meth:`fit` each partition anywhere, :meth:`merge` what came of them in
    any order, :meth:`finalize` once. No partial fit holds more than the operator's stated bound in memory. Nothing
    given is changed, :meth:`finalize` gives a new operator.

    Missing means: null or NaN offline; NaN or None online. Infinite numbers are numbers; fits leave them out.
    """

    kind: ClassVar[str]

    @property
    def needs_fit(self) -> bool:
        """Whether there is a state to fit; otherwise it is ready at once."""
        ...

    @property
    def spec(self) -> Strict:
        """The configuration."""
        ...

    @property
    def inputs(self) -> Schema:
        """The columns that a transform reads."""
        ...

    @property
    def fit_inputs(self) -> Schema:
        """The columns that a fit reads: also the label and the time, where it needs them."""
        ...

    @property
    def is_fitted(self) -> bool:
        """Whether it can transform."""
        ...

    @property
    def state(self) -> State:
        """What was fitted. Raises NotFittedError before."""
        ...

    def with_state(self, state: State) -> Self:
        """The operator with a state that was saved; it builds its lookups now."""
        ...

    def fit(self, partition: pl.DataFrame) -> Partial:
        """What one partition contributes."""
        ...

    def merge(self, one: Partial, other: Partial) -> Partial:
        """Both contributions as one."""
        ...

    def finalize(self, partial: Partial) -> Self:
        """The fitted operator."""
        ...

    def expressions(self) -> list[pl.Expr]:
        """Offline: one expression per output column. Raises NotFittedError before the fit."""
        ...

    def transform(self, frame: Frame) -> Frame:
        """Offline: the frame, eager or lazy, with the outputs added."""
        ...

    def online(self, columns: Columns) -> dict[str, Array]:
        """Online: the outputs for the rows of one request, without Polars. Raises NotFittedError before the fit."""
        ...

    def output_schema(self, schema: Schema) -> Schema:
        """The schema after the operator; ``num_rows`` of what is not fitted yet is None."""
        ...

    def output_columns(self) -> list[Column]:
        """The columns it writes."""
        ...
