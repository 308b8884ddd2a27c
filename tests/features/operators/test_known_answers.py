"""Each operator against answers worked by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import polars as pl
import pytest

from aisle.errors import ConfigError, SchemaError
from aisle.features import Ragged, Workflow, arrays_of, schema_of
from aisle.recipe.features import WorkflowSpec
from aisle.recipe.strict import parse_strict
from tests.contracts.operators import build, fitted


def transformed(
    block: dict[str, Any], frame: pl.DataFrame, unseen: pl.DataFrame | None = None, output: str = "x"
) -> list[Any]:
    operator = fitted(build(block, schema_of(frame)), frame)
    values: list[Any] = operator.transform(frame if unseen is None else unseen)[output].to_list()
    return values


def test_categorify_orders_by_count_then_by_key() -> None:
    frame = pl.DataFrame({"x": ["b", "a", "c", "b", None, "a", "d", "c", "c", "", ""]})
    unseen = pl.DataFrame({"x": ["c", "", "a", "b", "d", None, "new"]})
    block = {"kind": "categorify", "columns": ["x"]}
    assert transformed(block, frame, unseen) == [2, 3, 4, 5, 6, 1, 1]
    assert transformed(block | {"min_count": 2}, frame, unseen) == [2, 3, 4, 5, 1, 1, 1]
    assert transformed(block | {"max_size": 2}, frame, unseen) == [2, 3, 1, 1, 1, 1, 1]
    assert transformed(block | {"null_value": True, "min_count": 2}, frame, unseen) == [3, 4, 5, 6, 1, 2, 1]


def test_a_joint_vocabulary_counts_items_and_histories() -> None:
    frame = pl.DataFrame({"x": [7, 8, 8], "h": [[9, 9, 9], None, [7, None]]})
    operator = fitted(
        build({"kind": "categorify", "columns": ["x", "h"], "joint": True, "min_count": 2}, schema_of(frame)), frame
    )
    assert operator.transform(frame).to_dict(as_series=False) == {"x": [3, 4, 4], "h": [[2, 2, 2], [], [3, 1]]}
    online = operator.online({"x": np.array([9, 1]), "h": Ragged.of([[8], []], np.int64)})
    assert online["x"].tolist() == [2, 1]  # type: ignore[union-attr]
    assert online["h"].to_lists() == [[4], []]  # type: ignore[union-attr]


def test_hash_bucket_by_the_formula() -> None:
    frame = pl.DataFrame({"x": ["", "a", None]})
    rows = [13898507668257350876 % 10 + 2, 8911509408271123827 % 10 + 2, 1]
    assert transformed({"kind": "hash_bucket", "columns": ["x"], "num_buckets": 10}, frame) == rows


def test_fill_missing() -> None:
    frame = pl.DataFrame({"x": [1.0, None, 2.0, float("nan"), 9.0, float("inf")]})
    block = {"kind": "fill_missing", "columns": ["x"]}
    inf = float("inf")
    assert transformed(block | {"value": 5}, frame) == [1, 5, 2, 5, 9, inf]
    assert transformed(block | {"by": "mean"}, frame) == [1, 4, 2, 4, 9, inf]
    assert transformed(block | {"by": "median"}, frame) == [1, 2, 2, 2, 9, inf]
    assert transformed(block | {"indicator": True}, frame, output="x_missing") == [0, 1, 0, 1, 0, 0]


def test_log() -> None:
    frame = pl.DataFrame({"x": [0.0, math.e - 1, -5.0, None]})
    assert transformed({"kind": "log", "columns": ["x"]}, frame) == pytest.approx([0, 1, 0, None])
    signed = transformed({"kind": "log", "columns": ["x"], "signed": True}, frame)
    assert signed == pytest.approx([0, 1, -math.log(6), None])


def test_standardize() -> None:
    frame = pl.DataFrame({"x": [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0, None, float("inf")]})  # mean 5, deviation 2
    unseen = pl.DataFrame({"x": [5.0, 9.0, None, -95.0]})
    assert transformed({"kind": "standardize", "columns": ["x"]}, frame, unseen) == [0, 2, None, -50]
    assert transformed({"kind": "standardize", "columns": ["x"], "clip": 3}, frame, unseen) == [0, 2, None, -3]
    constant = pl.DataFrame({"x": [0.1] * 7})
    assert transformed({"kind": "standardize", "columns": ["x"]}, constant) == pytest.approx([0] * 7, abs=1e-12)


def test_bucketize() -> None:
    frame = pl.DataFrame({"x": [-1.0, 0.0, 0.5, 1.0, 99.0, None, float("inf"), float("-inf")]})
    block = {"kind": "bucketize", "columns": ["x"]}
    assert transformed(block | {"by": "edges", "edges": [0, 1]}, frame) == [2, 3, 3, 4, 4, 1, 4, 2]
    hundred = pl.DataFrame({"x": [float(value) for value in range(101)]})
    quartiles = transformed(block | {"num_buckets": 4}, hundred)
    assert [quartiles.index(row) for row in (2, 3, 4, 5)] == [0, 25, 50, 75]
    ties = pl.DataFrame({"x": [0.0] * 90 + [1.0] * 10})
    assert transformed(block | {"num_buckets": 4}, ties) == [2] * 100, "one value fills all quartiles"


def test_bucketize_by_ln_squared_is_floor_of_ln_x_squared() -> None:
    numbers = [-7, 0, 1, 2, *range(3, 3000, 7), 2**31, None]
    rows = transformed({"kind": "bucketize", "columns": ["x"], "by": "ln_squared"}, pl.DataFrame({"x": numbers}))
    assert rows[:4] == [2, 3, 4, 5]
    assert rows[-1] == 1
    assert rows[4:-1] == [6 + math.floor(math.log(number) ** 2) for number in numbers[4:-1]]
    capped = {"kind": "bucketize", "columns": ["x"], "by": "ln_squared", "max_ln_squared": 3}
    assert transformed(capped, pl.DataFrame({"x": [5, 10**9]})) == [6 + 2, 6 + 3]


def test_cross_keeps_apart_what_reads_alike() -> None:
    frame = pl.DataFrame({"a": ["1", "12", "1:2", None, "-", "1"], "b": ["23", "3", "3", "x", "x", "23"]})
    assert sorted(transformed({"kind": "cross", "columns": ["a", "b"]}, frame, output="a_x_b")) == [2, 2, 3, 4, 5, 6]
    hashed = {"kind": "cross", "columns": ["a", "b"], "num_buckets": 10**9, "output": "pair"}
    rows = transformed(hashed, frame, output="pair")
    assert rows[0] == rows[5]
    assert len(set(rows)) == 5
    turned = transformed({**hashed, "columns": ["b", "a"]}, frame, output="pair")
    assert set(turned).isdisjoint(rows), "the order of the components counts"


@pytest.mark.parametrize("num_buckets", [None, 100])
def test_one_row_of_a_cross_stands_for_all(num_buckets: int | None) -> None:
    frame = pl.DataFrame({"user": ["u", "u", "u"], "item": [1, 2, None]})
    block = {"kind": "cross", "columns": ["user", "item"], "num_buckets": num_buckets, "output": "x"}
    operator = fitted(build(block, schema_of(frame)), frame)
    items = arrays_of(frame)["item"]
    online = operator.online({"user": np.array(["u"], object), "item": items})
    assert online["x"].tolist() == operator.transform(frame)["x"].to_list()  # type: ignore[union-attr]
    no_items = operator.online({"user": np.array(["u"], object), "item": np.empty(0, np.int64)})
    assert len(no_items["x"]) == 0


def test_lists() -> None:
    frame = pl.DataFrame({"x": [[1, 2, 3], [4], [], None]}, schema={"x": pl.List(pl.Int64)})
    block = {"kind": "list_slice", "columns": ["x"], "length": 2}
    assert transformed(block, frame) == [[2, 3], [4], [], []]
    assert transformed(block | {"keep": "first"}, frame) == [[1, 2], [4], [], []]
    assert transformed(block | {"pad": "left"}, frame) == [[2, 3], [0, 4], [0, 0], [0, 0]]
    assert transformed(block | {"pad": "right", "pad_value": 9}, frame) == [[2, 3], [4, 9], [9, 9], [9, 9]]
    numbers = pl.DataFrame({"x": [[1.0, 2.0, None, 6.0], [float("nan")], [], None]})
    assert transformed({"kind": "list_mean", "columns": ["x"]}, numbers) == [3, None, None, None]


def test_lists_as_columns() -> None:
    frame = pl.DataFrame({"x": [[1, 2, 3], [4], [], None]}, schema={"x": pl.List(pl.Int64)})
    block = {"kind": "list_columns", "columns": ["x"], "length": 2}

    def columns(block: dict[str, Any]) -> list[list[Any]]:
        return [transformed(block, frame, output=f"x_{place}") for place in ("1", "2", "length")]

    assert columns(block) == [[2, 4, 0, 0], [3, 0, 0, 0], [2, 1, 0, 0]]
    assert columns(block | {"keep": "first", "pad_value": 9}) == [[1, 4, 9, 9], [2, 9, 9, 9], [2, 1, 0, 0]]
    with pytest.raises(ConfigError, match="list_columns of column 'x': expected pad_value to be of type integer"):
        build(block | {"pad_value": "none"}, schema_of(frame))


def test_time_parts_in_their_zone() -> None:
    # 2024-03-31 00:59:59.999 and 01:00 UTC: London leaps from 00:59 to 02:00. 2024 has 366 days; that day is its 91st.
    frame = pl.DataFrame({"x": [1711846799999, 1711846800000, 0, None]})
    london = {"kind": "time_parts", "columns": ["x"], "zone": "Europe/London", "output": "t"}

    def angle(part: str, block: dict[str, Any]) -> list[float]:
        sines, cosines = (transformed(block, frame, output=f"t_{part}_{unit}") for unit in ("sin", "cos"))
        assert sines[3] is None
        return [math.atan2(s, c) % (2 * math.pi) / (2 * math.pi) for s, c in zip(sines[:3], cosines[:3], strict=True)]

    assert angle("hour", london) == pytest.approx([0, 2 / 24, 1 / 24])  # in 1970 London kept summer time all year
    assert angle("hour", london | {"zone": "UTC"}) == pytest.approx([0, 1 / 24, 0], abs=1e-12)
    assert angle("weekday", london) == pytest.approx([6 / 7, 6 / 7, 3 / 7])  # Sunday, Sunday, Thursday
    assert angle("yearday", london) == pytest.approx([90 / 366, 90 / 366, 0], abs=1e-12)


@pytest.mark.parametrize("zone", ["Europe/London", "Australia/Lord_Howe", "America/St_Johns", "Asia/Kathmandu", "UTC"])
def test_time_parts_are_those_of_polars_calendar(zone: str) -> None:
    draw = np.random.default_rng(0)
    times = pl.Series("x", draw.integers(0, 4_102_444_800_000, 20_000))  # 1970 to 2100
    frame = times.to_frame()
    got = fitted(build({"kind": "time_parts", "columns": ["x"], "zone": zone}, schema_of(frame)), frame).transform(
        frame
    )
    local = times.cast(pl.Datetime("ms")).dt.replace_time_zone("UTC").dt.convert_time_zone(zone)
    length = pl.Series(np.where(local.dt.is_leap_year().to_numpy(), 366, 365))
    shares = {
        "hour": local.dt.hour() / 24,
        "weekday": (local.dt.weekday() - 1) / 7,
        "yearday": (local.dt.ordinal_day() - 1) / length,
    }
    for part, share in shares.items():
        expected = np.sin(2 * np.pi * share.to_numpy())
        np.testing.assert_allclose(got[f"x_{part}_sin"].to_numpy(), expected, atol=1e-9)


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ({"kind": "log", "columns": ["text"]}, "log of column 'text': expected number or integer or boolean, received"),
        ({"kind": "log", "columns": ["list"]}, "received integer in lists"),
        ({"kind": "categorify", "columns": ["number"]}, "bucketized first"),
        ({"kind": "categorify", "columns": ["text", "list"], "joint": True}, "need one type"),
        ({"kind": "fill_missing", "columns": ["text"], "by": "mean"}, "expected a text to fill with"),
        ({"kind": "fill_missing", "columns": ["number"], "value": "none"}, "expected a number to fill with"),
        ({"kind": "list_slice", "columns": ["number"], "length": 2}, "in lists, received number"),
        ({"kind": "list_slice", "columns": ["list"], "length": 2, "pad": "left", "pad_value": "a"}, "pad_value"),
        ({"kind": "time_parts", "columns": ["list"]}, "milliseconds since 1970"),
        ({"kind": "time_parts", "columns": ["integer"], "zone": "Europe/Atlantis"}, "received 'Europe/Atlantis'"),
        ({"kind": "log", "columns": ["price"]}, "expected a column 'price', received the columns text, number"),
        ({"kind": "target_statistics", "columns": ["text"], "label": "y", "time": "integer"}, "expected a column 'y'"),
    ],
)
def test_columns_that_do_not_fit_are_refused(block: dict[str, Any], message: str) -> None:
    frame = pl.DataFrame({"text": ["a"], "number": [0.5], "integer": [1], "list": [[1]]})
    with pytest.raises(ConfigError, match=message):
        build(block, schema_of(frame))


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ({"kind": "categorfy", "columns": ["x"]}, "categorfy"),
        ({"kind": "log", "columns": []}, "at least 1"),
        ({"kind": "log", "columns": ["x", "x"]}, "each column once"),
        ({"kind": "log", "columns": ["x", "y"], "output": "z"}, "expected {column} in output"),
        ({"kind": "log", "columns": ["x"], "signd": True}, "did you mean 'signed'"),
        ({"kind": "bucketize", "columns": ["x"], "by": "edges"}, "expected edges"),
        ({"kind": "bucketize", "columns": ["x"], "by": "edges", "edges": [1, 1]}, "rising edges"),
        ({"kind": "cross", "columns": ["x"]}, "at least 2"),
        ({"kind": "hash_bucket", "columns": ["x"]}, "num_buckets"),
    ],
)
def test_wrong_configurations_are_refused(block: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_strict(WorkflowSpec, {"operators": [block]}, "features")


def test_wrong_arrays_are_refused() -> None:
    frame = pl.DataFrame({"x": [1.0], "c": ["a"], "h": [[1.0]]})
    blocks = [{"kind": "log", "columns": ["x"]}, {"kind": "list_mean", "columns": ["h"]}]
    workflow = Workflow.build(parse_strict(WorkflowSpec, {"operators": blocks}, "test"), schema_of(frame))
    lists = Ragged.of([[1.0]], float)
    for columns, message in (
        ({"h": lists}, "expected a column 'x', received h"),
        ({"x": np.array(["1"], object), "h": lists}, "expected numbers and None"),
        ({"x": np.array(["1"]), "h": lists}, "expected numbers, received the type <U1"),
        ({"x": lists, "h": lists}, "expected one value per row, received lists"),
        ({"x": np.ones(1), "h": np.ones(1)}, "expected a list per row"),
    ):
        with pytest.raises(SchemaError, match=message):
            workflow.online(columns)  # type: ignore[arg-type]
