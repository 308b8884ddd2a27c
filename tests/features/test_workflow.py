"""A workflow is fitted in as few passes as its operators allow, and answers alike offline, online and after loading."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from aisle.bundle import Bundle, BundleWriter
from aisle.errors import BundleError, ConfigError, DataError, NotFittedError, SchemaError
from aisle.features import Workflow, arrays_of, schema_of
from aisle.recipe.features import WorkflowSpec
from aisle.recipe.strict import parse_strict
from aisle.schema import Column, ColumnType, Schema, Tag
from tests.contracts.operators import assert_same, nasty_frame

SCHEMA = Schema(
    [
        Column(name="price", type=ColumnType.NUMBER, tags=frozenset({Tag.ITEM})),
        Column(name="brand", type=ColumnType.TEXT, tags=frozenset({Tag.ITEM})),
        Column(name="city", type=ColumnType.TEXT, tags=frozenset({Tag.USER})),
        Column(name="bought", type=ColumnType.NUMBER, tags=frozenset({Tag.LABEL})),
        Column(name="at", type=ColumnType.INTEGER, tags=frozenset({Tag.TIME, Tag.CONTEXT})),
    ]
)
BLOCKS: list[dict[str, Any]] = [
    {"kind": "log", "columns": ["price"]},
    {"kind": "fill_missing", "columns": ["price"], "value": 0},
    {"kind": "bucketize", "columns": ["price"], "num_buckets": 4, "output": "price_bucket"},
    {"kind": "standardize", "columns": ["price"]},
    {"kind": "cross", "columns": ["city", "price_bucket"], "min_count": 2},
    {"kind": "target_statistics", "columns": ["brand"], "label": "bought", "time": "at"},
    {"kind": "categorify", "columns": ["brand", "city"], "null_value": True},
    {"kind": "time_parts", "columns": ["at"], "parts": ["hour"]},
]


def rows(num_rows: int = 300, seed: int = 0) -> pl.DataFrame:
    columns = {"price": "number", "brand": "text", "city": "text", "bought": "label", "at": "order"}
    return nasty_frame(columns, num_rows, seed)


def built(blocks: list[dict[str, Any]] = BLOCKS, schema: Schema = SCHEMA) -> Workflow:
    return Workflow.build(parse_strict(WorkflowSpec, {"operators": blocks}, "features"), schema)


def test_passes_are_as_few_as_what_stands_on_what_allows() -> None:
    workflow = built()
    assert workflow.num_passes == 2  # the cross stands on fitted buckets
    assert [level for level, op in zip(workflow.levels, workflow.operators, strict=True) if op.kind == "cross"] == [1]
    assert built(BLOCKS[:4]).num_passes == 1
    assert built(BLOCKS[:2]).num_passes == 0
    assert built(BLOCKS[:2]).is_fitted


def test_operators_overwrite_and_are_fitted_on_what_stands_before_them() -> None:
    frame = rows()
    workflow = built().fit([frame])
    values = frame["price"].fill_nan(None).clip(lower_bound=0).log1p().fill_null(0)
    finite = values.filter(values.is_finite()).to_numpy()
    expected = (values.to_numpy() - finite.mean()) / finite.std()
    np.testing.assert_allclose(workflow.transform(frame)["price"].to_numpy(), expected, rtol=1e-9)


def test_fitted_in_parts_from_a_stream_it_is_the_same() -> None:
    frame = rows()
    whole = built().fit([frame], fitted_until=5)
    asked: list[int] = []

    def partitions() -> Iterator[pl.DataFrame]:
        asked.append(1)
        return (frame[begin : begin + 70] for begin in range(0, 300, 70))

    parts = built().fit(partitions)
    assert len(asked) == 2
    assert (whole.fitted_until, parts.fitted_until) == (5, None)
    for name, values in arrays_of(whole.transform(frame)).items():
        assert_same(arrays_of(parts.transform(frame))[name], values)


def test_partitions_may_be_fitted_elsewhere() -> None:
    frame = rows()
    workflow = built()
    for number in range(workflow.num_passes):
        first, second = (workflow.fit_partition(number, part) for part in (frame[:100], frame[100:]))
        workflow = workflow.finish_pass(workflow.merge(second, first))
    assert workflow.is_fitted
    together = built().fit([frame])
    for name, values in arrays_of(together.transform(frame)).items():
        assert_same(arrays_of(workflow.transform(frame))[name], values)


def test_a_request_needs_neither_label_nor_polars(monkeypatch: pytest.MonkeyPatch) -> None:
    frame, unseen = rows(), rows(50, seed=1)
    workflow = built().fit([frame])
    assert workflow.request_columns == ["price", "brand", "city", "at"]
    offline = arrays_of(workflow.transform(unseen.drop("bought")))
    arrays = arrays_of(unseen.select(workflow.request_columns))

    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("Polars in the request path")

    for name in ("col", "lit", "when", "struct", "Series", "DataFrame"):
        monkeypatch.setattr(pl, name, refuse)
    online = workflow.online(arrays)
    monkeypatch.undo()
    assert set(online) == set(offline)
    for name, values in offline.items():
        assert_same(online[name], values)


def test_what_is_the_same_for_all_rows_is_given_once() -> None:
    workflow = built().fit([rows()])
    frame = rows(30, seed=2).with_columns(city=pl.lit("value-1"), at=pl.lit(7, dtype=pl.Int64))
    arrays = arrays_of(frame)
    once = workflow.online(arrays | {"city": np.array(["value-1"], object), "at": np.array([7])})
    assert [len(once[name]) for name in ("city", "at_hour_sin", "brand", "city_x_price_bucket")] == [1, 1, 30, 30]
    for name, values in workflow.online(arrays).items():
        assert_same(np.broadcast_to(once[name], len(frame)), values)  # type: ignore[arg-type]


def test_training_rows_differ_from_serving_in_target_statistics_alone() -> None:
    frame = rows().sort("at")
    workflow = built().fit([frame])
    parts = [frame.filter(pl.col("at") < 50), frame.filter(pl.col("at") >= 50)]
    training = pl.concat(workflow.transform_training(parts))
    serving = workflow.transform(frame)
    assert training.drop("brand_rate").equals(serving.drop("brand_rate"), null_equal=True)
    assert training["brand_rate"].to_list() != serving["brand_rate"].to_list()
    assert training["brand_rate"][0] == 0


def test_the_output_schema_hands_tags_on() -> None:
    schema = built().fit([rows()]).output_schema
    assert schema["price"].tags == {Tag.ITEM, Tag.DENSE}
    assert schema["brand"].tags == {Tag.ITEM, Tag.CATEGORICAL}
    assert schema["city_x_price_bucket"].tags == {Tag.CATEGORICAL}, "neither the user's nor the item's"
    assert schema["at_hour_cos"].tags == {Tag.CONTEXT, Tag.DENSE}
    assert schema["bought"] == SCHEMA["bought"]


def test_saved_and_loaded_it_is_the_same_and_needs_no_data(tmp_path: Path) -> None:
    frame, unseen = rows(), rows(seed=3)
    workflow = built().fit([frame], fitted_until=123)
    with BundleWriter(tmp_path / "bundle") as writer:
        workflow.save(writer, "ranker/features")
    loaded = Workflow.load(Bundle.open(tmp_path / "bundle"), "ranker/features")
    assert loaded.fitted_until == 123
    assert loaded.output_schema == workflow.output_schema
    assert loaded.transform(unseen).equals(workflow.transform(unseen), null_equal=True)
    kinds = {path.suffix for path in (tmp_path / "bundle").rglob("*") if path.is_file()}
    assert kinds == {".json", ".npy", ".arrow"}


def damaged(content: dict[str, Any], change: str) -> object:
    if change == "no schema":
        return {key: value for key, value in content.items() if key != "schema"}
    if change == "a list":
        return [content]
    if change == "no state":
        return content | {"operators": [one | {"values": {}, "frames": []} for one in content["operators"]]}
    if change == "another kind":
        return content | {"operators": [one | {"spec": {"kind": "exec"}} for one in content["operators"]]}
    return content | {"operators": [one | {"frames": ["../../workflow"]} for one in content["operators"]]}


@pytest.mark.parametrize("change", ["no schema", "a list", "no state", "another kind", "a path outside"])
def test_what_is_no_workflow_is_refused(change: str, tmp_path: Path) -> None:
    with BundleWriter(tmp_path / "bundle") as writer:
        built().fit([rows()]).save(writer)
    content = json.loads((tmp_path / "bundle" / "features" / "workflow.json").read_text(encoding="utf-8"))
    with BundleWriter(tmp_path / "damaged") as writer:
        writer.write_json("features/workflow", damaged(content, change))
    with pytest.raises(BundleError):
        Workflow.load(Bundle.open(tmp_path / "damaged"))


def test_unfitted_it_neither_transforms_nor_is_saved(tmp_path: Path) -> None:
    workflow = built()
    assert not workflow.is_fitted
    with pytest.raises(NotFittedError):
        workflow.transform(rows())
    with pytest.raises(NotFittedError):
        workflow.online(arrays_of(rows()))
    with pytest.raises(NotFittedError), BundleWriter(tmp_path / "bundle") as writer:
        workflow.save(writer)


def test_no_partitions_are_an_error_and_empty_ones_are_not() -> None:
    with pytest.raises(DataError, match="expected at least one partition"):
        built().fit([])
    assert built().fit([rows(0)]).transform(rows(3))["brand"].null_count() == 0


def test_columns_are_brought_to_their_types_or_refused() -> None:
    workflow = built().fit([rows()])
    frame = rows(20, seed=4)
    times = pl.col("at").cast(pl.Datetime("ms"))
    other = frame.with_columns(pl.col("brand").cast(pl.Categorical), times.cast(pl.Datetime("us")))
    assert workflow.transform(other).drop("at").equals(workflow.transform(frame).drop("at"), null_equal=True)
    assert workflow.transform(frame.lazy()).collect().equals(workflow.transform(frame), null_equal=True)
    with pytest.raises(SchemaError, match="expected the columns city"):
        workflow.transform(frame.drop("city"))
    with pytest.raises(SchemaError, match="column 'price': expected Float64, received String"):
        workflow.transform(frame.with_columns(pl.lit("1").alias("price")))
    with pytest.raises(SchemaError, match="column 'city': expected String, received Int64"):
        workflow.fit([frame.with_columns(pl.lit(1, dtype=pl.Int64).alias("city"))])


def test_an_operator_before_what_it_reads_is_refused_by_its_place() -> None:
    with pytest.raises(ConfigError, match=r"operators.0 \(cross\): expected a column 'price_bucket'"):
        built([BLOCKS[4], BLOCKS[2]])


def test_no_type_but_numbers_text_booleans_and_lists_of_them() -> None:
    assert schema_of(pl.DataFrame({"a": [None], "b": [[True]]})).names == ["a", "b"]
    with pytest.raises(SchemaError, match="received the type Struct"):
        schema_of(pl.DataFrame({"a": [{"b": 1}]}))
