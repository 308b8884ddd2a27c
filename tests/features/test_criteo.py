"""Criteo's table through its workflow: the vocabulary of the published protocol, offline as online, and the speed."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from aisle.features import Workflow, arrays_of, schema_of
from aisle.recipe.features import WorkflowSpec
from aisle.recipe.strict import parse_strict
from tests.contracts.operators import assert_same

NUMBERS = [f"I{number}" for number in range(1, 14)]
CATEGORIES = [f"C{number}" for number in range(1, 27)]
BLOCKS: list[dict[str, Any]] = [
    {"kind": "bucketize", "columns": NUMBERS, "by": "ln_squared", "output": "{column}_bucket"},
    {"kind": "log", "columns": NUMBERS},
    {"kind": "fill_missing", "columns": NUMBERS, "value": 0},
    {"kind": "standardize", "columns": NUMBERS},
    {"kind": "categorify", "columns": CATEGORIES, "min_count": 2, "null_value": True},
]


def workflow_for(frame: pl.DataFrame, blocks: list[dict[str, Any]] = BLOCKS) -> Workflow:
    return Workflow.build(parse_strict(WorkflowSpec, {"operators": blocks}, "criteo"), schema_of(frame))


@pytest.fixture(scope="module")
def criteo() -> pl.DataFrame:
    path = Path(os.environ.get("AISLE_DATA", "")) / "criteo_kaggle" / "criteo_blocks_00_72.parquet"
    if not path.is_file():
        pytest.skip(f"{path}: the Criteo sample is not here")
    return pl.read_parquet(path)


@pytest.mark.data
def test_the_vocabulary_of_the_protocol_and_parity(criteo: pl.DataFrame) -> None:
    train = criteo.head(int(len(criteo) * 0.8))
    workflow = workflow_for(criteo)
    assert workflow.num_passes == 1
    workflow = workflow.fit([train[begin : begin + 25_000] for begin in range(0, len(train), 25_000)])
    num_values = sum(len(op.state.frames["vocabulary"]) for op in workflow.operators if op.kind == "categorify")
    num_with_nulls = sum(train[name].null_count() > 0 for name in CATEGORIES)
    # The protocol counts 60,412 ids: the values, "rare and unseen" once per field, null where a field has nulls.
    assert (num_values, num_with_nulls) == (60_374, 12)
    assert num_values + num_with_nulls + len(CATEGORIES) == 60_412
    standardized = workflow.transform(train).select(NUMBERS)
    np.testing.assert_allclose(standardized.mean().row(0), 0, atol=1e-9)
    np.testing.assert_allclose(standardized.std(ddof=0).row(0), 1, atol=1e-9)
    sample = criteo.tail(len(criteo) - len(train)).sample(1000, seed=0).drop("label", "block")
    online = workflow.online(arrays_of(sample))
    for name, values in arrays_of(workflow.transform(sample)).items():
        assert_same(online[name], values)


@pytest.mark.timing
def test_thirty_features_of_five_hundred_candidates_take_far_less_than_five_ms() -> None:
    draw = np.random.default_rng(0)
    counts = {name: draw.zipf(1.3, 20_000) % 10**6 for name in NUMBERS}
    ids = {name: [f"{value:08x}" for value in draw.zipf(1.2, 20_000) % 10**6] for name in CATEGORIES[:17]}
    frame = pl.DataFrame(counts | ids)
    blocks = [*BLOCKS[1:4], BLOCKS[4] | {"columns": CATEGORIES[:17]}]
    workflow = workflow_for(frame, blocks).fit([frame])
    arrays = arrays_of(frame.head(500))
    workflow.online(arrays)
    times_ms = []
    for _ in range(50):
        start = time.perf_counter()
        workflow.online(arrays)
        times_ms.append((time.perf_counter() - start) * 1000)
    assert np.median(times_ms) < 5, "about 1 ms on a quiet core"
