"""The contract of every operator; one enters with a subclass that names its columns and builds it."""

from __future__ import annotations

import itertools
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from aisle.bundle import Bundle, BundleWriter
from aisle.errors import NotFittedError
from aisle.features import Array, Ragged, Workflow, arrays_of, schema_of
from aisle.features.frames import dtype_of
from aisle.features.operators import Operator
from aisle.recipe.features import WorkflowSpec
from aisle.recipe.strict import parse_strict
from aisle.schema import ColumnType, Schema

NUMBERS = [0.0, -0.0, 1.0, 2.0, 2.5, -3.0, 1e-300, 1e9, -1e9, float("nan"), float("inf"), float("-inf"), None]
TEXTS = ["", "a", "b", "A", "1:a", "-", "naïve", "日本", "\x00", "x" * 300, None]
INTEGERS = [0, 1, 2, -1, 2**63 - 1, -(2**63), 10**12, None]
TIMES = [0, 1_711_846_800_000, 1_711_850_400_000, 1_300_000_000_123, -1, 4_200_000_000_000, -(2**63), 2**63 - 1, None]
#: What columns of each type hold: nasty values, and how ordinary ones are drawn.
DRAWS: dict[str, Any] = {
    "number": (pl.Float64, NUMBERS, lambda draw: float(draw.normal() * 10)),
    "text": (pl.String, TEXTS, lambda draw: f"value-{draw.zipf(1.5) % 50}"),
    "integer": (pl.Int64, INTEGERS, lambda draw: int(draw.zipf(1.5) % 50)),
    "boolean": (pl.Boolean, [True, False, None], lambda draw: bool(draw.random() < 0.5)),
    "time": (pl.Int64, TIMES, lambda draw: int(draw.integers(0, 2_000_000_000_000))),
    "order": (pl.Int64, [], lambda draw: int(draw.integers(0, 100))),
    "label": (pl.Float64, [None], lambda draw: float(draw.random() < 0.3)),
}


def nasty_frame(columns: dict[str, str], num_rows: int = 240, seed: int = 0) -> pl.DataFrame:
    """Rows of ordinary and nasty values; a type ``list[T]`` holds lists, some empty and some missing."""
    draw = np.random.default_rng(seed)

    def value(kind: str) -> Any:
        if kind.startswith("list["):
            length = int(draw.integers(-1, 6))
            return None if length < 0 else [value(kind[5:-1]) for _ in range(length)]
        _, nasty, ordinary = DRAWS[kind]
        return nasty[int(draw.integers(len(nasty)))] if nasty and draw.random() < 0.3 else ordinary(draw)

    series = []
    for name, kind in columns.items():
        inner = DRAWS[kind.removeprefix("list[").removesuffix("]")][0]
        dtype = pl.List(inner) if kind.startswith("list[") else inner
        series.append(pl.Series(name, [value(kind) for _ in range(num_rows)], dtype=dtype))
    return pl.DataFrame(series)


def build(block: dict[str, Any], schema: Schema) -> Operator[Any]:
    """The one operator of a block of configuration."""
    workflow = Workflow.build(parse_strict(WorkflowSpec, {"operators": [block]}, "test"), schema)
    (operator,) = workflow.operators
    return operator


def fitted(operator: Operator[Any], *partitions: pl.DataFrame) -> Operator[Any]:
    """Fitted on partitions, merged from left to right."""
    return operator.finalize(reduce(operator.merge, [operator.fit(partition) for partition in partitions]))


def assert_same(one: Array, other: Array) -> None:
    """Equal: exactly where they are integers or text, to 1e-6 of their size where they are floats."""
    if isinstance(one, Ragged) or isinstance(other, Ragged):
        assert isinstance(one, Ragged)
        assert isinstance(other, Ragged)
        assert one.offsets.tolist() == other.offsets.tolist()
        one, other = one.values_E, other.values_E
    if "f" in (one.dtype.kind, other.dtype.kind):
        np.testing.assert_allclose(np.array(one, float), np.array(other, float), rtol=1e-6, atol=1e-6, equal_nan=True)
    else:
        assert one.tolist() == other.tolist()


def outputs_of(operator: Operator[Any], frame: pl.DataFrame) -> dict[str, Array]:
    """What the offline execution gives, as arrays."""
    transformed = operator.transform(frame)
    return arrays_of(transformed.select(column.name for column in operator.output_columns()))


class OperatorContract:
    """Inherit, name it ``Test...``, say which columns it reads and its block of configuration."""

    columns: dict[str, str]
    block: dict[str, Any]

    def frame(self, num_rows: int = 240, seed: int = 0) -> pl.DataFrame:
        return nasty_frame(self.columns, num_rows, seed)

    def unfitted(self) -> Operator[Any]:
        return build(self.block, schema_of(self.frame(0)))

    def test_parted_and_merged_in_any_order_it_is_the_same(self) -> None:
        operator, frame, unseen = self.unfitted(), self.frame(), self.frame(seed=1)
        whole = outputs_of(fitted(operator, frame), unseen)
        parts = [frame[:7], frame[7:7], frame[7:150], frame[150:]]
        for order in itertools.islice(itertools.permutations(parts), 0, 24, 5):
            for name, values in outputs_of(fitted(operator, *order), unseen).items():
                assert_same(values, whole[name])
        partials = [operator.fit(part) for part in parts]
        tree = operator.merge(operator.merge(partials[3], partials[0]), operator.merge(partials[2], partials[1]))
        for _ in range(2):  # finalizing uses nothing up
            for name, values in outputs_of(operator.finalize(tree), unseen).items():
                assert_same(values, whole[name])

    def test_offline_is_online(self) -> None:
        operator = fitted(self.unfitted(), self.frame())
        for frame in (self.frame(), self.frame(seed=2), self.frame(1, seed=3), self.frame(0)):
            online = operator.online(arrays_of(frame.select(operator.inputs.names)))
            offline = outputs_of(operator, frame)
            assert list(online) == list(offline)
            for name, values in offline.items():
                assert len(values) == len(frame)
                assert_same(online[name], values)

    def test_lazily_it_is_the_same_and_row_by_row_too(self) -> None:
        operator, frame = fitted(self.unfitted(), self.frame()), self.frame(40, seed=4)
        whole = operator.transform(frame)
        assert_frame_equal(operator.transform(frame.lazy()).collect(), whole)
        assert_frame_equal(pl.concat([operator.transform(frame[row : row + 1]) for row in range(len(frame))]), whole)

    def test_saved_and_loaded_it_is_the_same(self, tmp_path: Path) -> None:
        schema = schema_of(self.frame(0))
        workflow = Workflow.build(parse_strict(WorkflowSpec, {"operators": [self.block]}, "test"), schema)
        workflow = workflow.fit([self.frame()], fitted_until=77)
        with BundleWriter(tmp_path / "bundle") as writer:
            workflow.save(writer)
        loaded = Workflow.load(Bundle.open(tmp_path / "bundle"))
        assert loaded.is_fitted
        assert loaded.fitted_until == 77
        assert loaded.output_schema == workflow.output_schema
        frame = self.frame(seed=5)
        assert_frame_equal(loaded.transform(frame), workflow.transform(frame), rel_tol=0, abs_tol=0)
        for name, values in workflow.online(arrays_of(frame)).items():
            assert_same(loaded.online(arrays_of(frame))[name], values)

    def test_the_output_schema_is_true(self) -> None:
        for operator in (self.unfitted(), fitted(self.unfitted(), self.frame())):
            declared = operator.output_schema(schema_of(self.frame(0)))
            assert set(self.columns) <= set(declared.names)
            if not operator.is_fitted:
                continue
            for frame in (self.frame(), self.frame(seed=6), self.frame(0)):
                transformed = operator.transform(frame)
                assert transformed.columns == declared.names
                for column in operator.output_columns():
                    series = transformed[column.name]
                    assert series.dtype == dtype_of(column)
                    flat = series.explode().drop_nulls() if column.is_list else series
                    if column.num_rows is not None:
                        assert flat.null_count() == 0
                        assert flat.is_between(0, column.num_rows - 1).all()
                    if column.length is not None:
                        assert (series.list.len() == column.length).all()
                    if column.type is ColumnType.NUMBER and not column.is_list:
                        assert not series.is_nan().any(), "missing is null"

    def test_nothing_given_is_changed(self) -> None:
        operator, frame = self.unfitted(), self.frame()
        before = frame.clone()
        arrays, arrays_before = arrays_of(frame), arrays_of(frame)
        was_fitted = operator.is_fitted
        partial = operator.fit(frame)
        operator.merge(partial, operator.fit(frame))
        ready = operator.finalize(partial)
        ready.transform(frame)
        ready.online(arrays)
        assert_frame_equal(frame, before)
        assert list(arrays) == list(arrays_before)
        for name, values in arrays.items():
            assert_same(values, arrays_before[name])
        assert operator.is_fitted == was_fitted

    def test_unfitted_it_says_so(self) -> None:
        operator = self.unfitted()
        assert operator.is_fitted is not operator.needs_fit
        assert fitted(operator, self.frame(0)).is_fitted, "nothing to learn from is no error"
        if operator.needs_fit:
            calls = [lambda: operator.state, lambda: operator.transform(self.frame()), lambda: operator.online({})]
            for call in calls:
                with pytest.raises(NotFittedError, match="expected a fitted operator"):
                    call()
