"""Training rows see the labels of strictly earlier rows alone; serving sees the totals."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aisle.errors import DataError
from aisle.features import schema_of
from aisle.features.operators import TargetStatistics
from tests.contracts.operators import build, fitted, nasty_frame

BLOCK = {
    "kind": "target_statistics",
    "columns": ["c"],
    "label": "y",
    "time": "t",
    "prior_weight": 2,
    "initial_prior": 0.5,
    "output": "rate",
}
COLUMNS = {"c": "text", "y": "label", "t": "order"}


def operator_for(frame: pl.DataFrame) -> TargetStatistics:
    operator = build(BLOCK, schema_of(frame))
    assert isinstance(operator, TargetStatistics)
    return operator


def rates_of(frame: pl.DataFrame) -> list[float]:
    rates: list[float] = operator_for(frame).prequential(frame)[0]["rate"].to_list()
    return rates


def test_by_hand() -> None:
    frame = pl.DataFrame(
        {
            "c": ["a", "a", "b", "a", None, "b"],
            "y": [1.0, 0.0, 1.0, None, 1.0, 0.0],
            "t": [1, 2, 2, 3, 4, 5],
        }
    )
    assert rates_of(frame) == pytest.approx(
        [
            0.5,  # nothing was seen: the initial prior
            (1 + 2 * 1) / (1 + 2),  # prior 1 of 1
            1.0,  # at the same time as the row before, whose label it must not see: b is new
            (1 + 2 * 2 / 3) / (2 + 2),  # a: 1 of 2; all: 2 of 3
            2 / 3,  # a missing category has the prior; the row without a label did not count
            (1 + 2 * 3 / 4) / (1 + 2),
        ]
    )
    serving = fitted(operator_for(frame), frame).transform(pl.DataFrame({"c": ["a", "b", "new", None]}))
    prior = 3 / 5
    assert serving["rate"].to_list() == pytest.approx([(1 + 2 * prior) / 4, (1 + 2 * prior) / 4, prior, prior])


def brute_force(frame: pl.DataFrame) -> list[float]:
    rates = []
    for row in frame.iter_rows(named=True):
        earlier = [one for one in frame.iter_rows(named=True) if one["t"] < row["t"] and one["y"] is not None]
        alike = [one["y"] for one in earlier if row["c"] is not None and one["c"] == row["c"]]
        prior = sum(one["y"] for one in earlier) / len(earlier) if earlier else 0.5
        rates.append((sum(alike) + 2 * prior) / (len(alike) + 2))
    return rates


ROWS = st.lists(
    st.tuples(st.sampled_from(["a", "b", "", None]), st.sampled_from([0.0, 1.0, None]), st.integers(-3, 6)), max_size=14
)


@settings(max_examples=60, deadline=None)
@given(ROWS)
def test_it_is_what_looking_at_all_earlier_rows_gives(rows: list[tuple[str | None, float | None, int]]) -> None:
    frame = pl.DataFrame(rows, schema={"c": pl.String, "y": pl.Float64, "t": pl.Int64}, orient="row")
    assert rates_of(frame) == pytest.approx(brute_force(frame))


@settings(max_examples=40, deadline=None)
@given(ROWS, ROWS, st.integers(-3, 6))
def test_changing_later_rows_changes_no_earlier_value(
    rows: list[tuple[str | None, float | None, int]], others: list[tuple[str | None, float | None, int]], moment: int
) -> None:
    schema = {"c": pl.String, "y": pl.Float64, "t": pl.Int64}
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    later = pl.DataFrame(others, schema=schema, orient="row").filter(pl.col("t") >= moment)
    seen = pl.col("t") <= moment
    before = [rate for rate, time in zip(rates_of(frame), frame["t"], strict=True) if time <= moment]
    # Other rows after the moment, and other labels at the moment itself.
    label = pl.when(pl.col("t") == moment).then(1 - pl.col("y")).otherwise(pl.col("y"))
    kept = frame.filter(seen).with_columns(label.alias("y"))
    assert rates_of(pl.concat([kept, later]))[: len(kept)] == before


def test_partitions_in_the_order_of_time_give_what_the_whole_gives() -> None:
    frame = nasty_frame(COLUMNS, 300)
    whole = operator_for(frame).prequential(frame)[0]
    earlier, rates = None, []
    for low, high in ((0, 20), (20, 21), (21, 70), (70, 70), (70, 100)):
        part = frame.filter(pl.col("t").is_between(low, high, closed="left"))
        found, earlier = operator_for(frame).prequential(part, earlier)
        rates.append(found)
    together = pl.concat(rates).sort("t", maintain_order=True)
    assert together["rate"].to_list() == pytest.approx(whole.sort("t", maintain_order=True)["rate"].to_list())


def test_partitions_that_overlap_in_time_are_refused() -> None:
    frame = pl.DataFrame({"c": ["a"], "y": [1.0], "t": [5]})
    _, earlier = operator_for(frame).prequential(frame)
    with pytest.raises(DataError, match=r"each later than those before it \(after 5\), received 5; part the rows"):
        operator_for(frame).prequential(frame, earlier)
    with pytest.raises(DataError, match="expected a time in every training row, received 1 rows without"):
        operator_for(frame).prequential(frame.with_columns(pl.lit(None, dtype=pl.Int64).alias("t")))
