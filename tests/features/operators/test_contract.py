"""Every operator keeps the contract, in each of its forms."""

from __future__ import annotations

from typing import Any, ClassVar

from tests.contracts.operators import OperatorContract


class TestCategorifyText(OperatorContract):
    columns: ClassVar = {"c": "text"}
    block: ClassVar[dict[str, Any]] = {"kind": "categorify", "columns": ["c"], "min_count": 2, "null_value": True}


class TestCategorifyIntegers(OperatorContract):
    columns: ClassVar = {"c": "integer"}
    block: ClassVar[dict[str, Any]] = {"kind": "categorify", "columns": ["c"], "max_size": 9, "output": "row"}


class TestCategorifyBooleans(OperatorContract):
    columns: ClassVar = {"c": "boolean"}
    block: ClassVar[dict[str, Any]] = {"kind": "categorify", "columns": ["c"]}


class TestCategorifySpilled(OperatorContract):
    columns: ClassVar = {"c": "text"}
    block: ClassVar[dict[str, Any]] = {"kind": "categorify", "columns": ["c"], "max_size": 7, "max_keys_in_memory": 3}


class TestCategorifyJointly(OperatorContract):
    columns: ClassVar = {"item": "text", "history": "list[text]"}
    block: ClassVar[dict[str, Any]] = {
        "kind": "categorify",
        "columns": ["item", "history"],
        "joint": True,
        "null_value": True,
        "output": "{column}_row",
    }


class TestHashBucketText(OperatorContract):
    columns: ClassVar = {"c": "text"}
    block: ClassVar[dict[str, Any]] = {"kind": "hash_bucket", "columns": ["c"], "num_buckets": 17, "seed": 3}


class TestHashBucketIntegers(OperatorContract):
    columns: ClassVar = {"c": "integer"}
    block: ClassVar[dict[str, Any]] = {"kind": "hash_bucket", "columns": ["c"], "num_buckets": 1000}


class TestHashBucketLists(OperatorContract):
    columns: ClassVar = {"c": "list[text]"}
    block: ClassVar[dict[str, Any]] = {"kind": "hash_bucket", "columns": ["c"], "num_buckets": 5}


class TestFillValue(OperatorContract):
    columns: ClassVar = {"x": "number"}
    block: ClassVar[dict[str, Any]] = {"kind": "fill_missing", "columns": ["x"], "value": -1.5, "indicator": True}


class TestFillText(OperatorContract):
    columns: ClassVar = {"c": "text"}
    block: ClassVar[dict[str, Any]] = {"kind": "fill_missing", "columns": ["c"], "value": "none", "indicator": True}


class TestFillMean(OperatorContract):
    columns: ClassVar = {"x": "number"}
    block: ClassVar[dict[str, Any]] = {"kind": "fill_missing", "columns": ["x"], "by": "mean", "output": "full"}


class TestFillMedian(OperatorContract):
    columns: ClassVar = {"x": "integer"}
    block: ClassVar[dict[str, Any]] = {"kind": "fill_missing", "columns": ["x"], "by": "median"}


class TestLog(OperatorContract):
    columns: ClassVar = {"x": "number"}
    block: ClassVar[dict[str, Any]] = {"kind": "log", "columns": ["x"]}


class TestSignedLog(OperatorContract):
    columns: ClassVar = {"x": "integer"}
    block: ClassVar[dict[str, Any]] = {"kind": "log", "columns": ["x"], "signed": True}


class TestStandardize(OperatorContract):
    columns: ClassVar = {"x": "number"}
    block: ClassVar[dict[str, Any]] = {"kind": "standardize", "columns": ["x"]}


class TestStandardizeClipped(OperatorContract):
    columns: ClassVar = {"x": "number"}
    block: ClassVar[dict[str, Any]] = {"kind": "standardize", "columns": ["x"], "clip": 2.0}


class TestBucketizeEdges(OperatorContract):
    columns: ClassVar = {"x": "number"}
    block: ClassVar[dict[str, Any]] = {"kind": "bucketize", "columns": ["x"], "by": "edges", "edges": [-1, 0, 2.5]}


class TestBucketizeQuantiles(OperatorContract):
    columns: ClassVar = {"x": "number"}
    block: ClassVar[dict[str, Any]] = {"kind": "bucketize", "columns": ["x"], "num_buckets": 8}


class TestBucketizeLnSquared(OperatorContract):
    columns: ClassVar = {"x": "integer"}
    block: ClassVar[dict[str, Any]] = {"kind": "bucketize", "columns": ["x"], "by": "ln_squared"}


class TestCrossHashed(OperatorContract):
    columns: ClassVar = {"a": "text", "b": "integer", "c": "boolean"}
    block: ClassVar[dict[str, Any]] = {"kind": "cross", "columns": ["a", "b", "c"], "num_buckets": 50}


class TestCrossCategorified(OperatorContract):
    columns: ClassVar = {"a": "text", "b": "integer"}
    block: ClassVar[dict[str, Any]] = {"kind": "cross", "columns": ["a", "b"], "min_count": 2}


class TestTargetStatistics(OperatorContract):
    columns: ClassVar = {"c": "text", "bought": "label", "at": "order"}
    block: ClassVar[dict[str, Any]] = {"kind": "target_statistics", "columns": ["c"], "label": "bought", "time": "at"}


class TestTargetStatisticsSpilled(OperatorContract):
    columns: ClassVar = {"c": "integer", "bought": "label", "at": "order"}
    block: ClassVar[dict[str, Any]] = {
        "kind": "target_statistics",
        "columns": ["c"],
        "label": "bought",
        "time": "at",
        "max_keys_in_memory": 4,
    }


class TestListSlice(OperatorContract):
    columns: ClassVar = {"h": "list[integer]"}
    block: ClassVar[dict[str, Any]] = {"kind": "list_slice", "columns": ["h"], "length": 3}


class TestListSlicePaddedLeft(OperatorContract):
    columns: ClassVar = {"h": "list[text]"}
    block: ClassVar[dict[str, Any]] = {
        "kind": "list_slice",
        "columns": ["h"],
        "length": 4,
        "keep": "first",
        "pad": "left",
        "pad_value": "",
    }


class TestListSlicePaddedRight(OperatorContract):
    columns: ClassVar = {"h": "list[number]"}
    block: ClassVar[dict[str, Any]] = {"kind": "list_slice", "columns": ["h"], "length": 2, "pad": "right"}


class TestListColumns(OperatorContract):
    columns: ClassVar = {"h": "list[integer]"}
    block: ClassVar[dict[str, Any]] = {"kind": "list_columns", "columns": ["h"], "length": 3}


class TestListColumnsOfTheFirst(OperatorContract):
    columns: ClassVar = {"h": "list[text]"}
    block: ClassVar[dict[str, Any]] = {
        "kind": "list_columns",
        "columns": ["h"],
        "length": 2,
        "keep": "first",
        "pad_value": "none",
        "output": "place",
    }


class TestListMean(OperatorContract):
    columns: ClassVar = {"h": "list[number]"}
    block: ClassVar[dict[str, Any]] = {"kind": "list_mean", "columns": ["h"], "output": "mean"}


class TestTimeParts(OperatorContract):
    columns: ClassVar = {"at": "time"}
    block: ClassVar[dict[str, Any]] = {"kind": "time_parts", "columns": ["at"], "zone": "Europe/London"}
