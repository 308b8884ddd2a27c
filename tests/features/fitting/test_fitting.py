"""What operators are fitted with: moments, sketches within their stated error, totals that spill, stable hashes."""

from __future__ import annotations

import gc
import math
from fractions import Fraction

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from aisle.errors import DataError, SchemaError
from aisle.features.fitting import RELATIVE_ERROR, KeyLookup, KeyTotals, Moments, QuantileSketch, hashing
from aisle.features.fitting.hashing import combine, hash_integers, hash_series, hash_text


def test_moments_by_hand() -> None:
    merged = Moments.of(np.array([1.0, 3.0])).merge(Moments()).merge(Moments.of(np.array([5.0])))
    assert (merged.count, merged.mean, merged.squared_deviations) == (3, 3.0, 8.0)
    assert merged.deviation == pytest.approx(math.sqrt(8 / 3))
    assert Moments().deviation == 0


def test_moments_far_from_zero_lose_nothing() -> None:
    values = 1e9 + np.random.default_rng(0).normal(size=3000)
    exact = [Fraction(float(value)) for value in values]
    mean = sum(exact) / len(exact)
    variance = float(sum((value - mean) ** 2 for value in exact) / len(exact))
    merged = Moments()
    for part in np.array_split(values, 17):
        merged = merged.merge(Moments.of(part))
    assert merged.deviation**2 == pytest.approx(variance, rel=1e-9)
    naive = float((values**2).mean() - values.mean() ** 2)
    assert abs(naive - variance) > variance / 2, "the sum of squares would have lost everything"


def test_moments_that_overflow_are_refused() -> None:
    with pytest.raises(DataError, match="column 'x': expected numbers whose squares are finite"):
        Moments.of(np.array([1e200, -1e200])).checked("x")


def test_a_sketch_of_few_values_is_exact() -> None:
    values = np.array([3.0, 1.0, 2.0, 2.0, 10.0, -4.0])
    sketch = QuantileSketch.of(values[:2]).merge(QuantileSketch.of(values[2:]))
    assert sketch.exact
    shares = [0, 0.1, 0.25, 0.5, 0.77, 1]
    assert sketch.quantiles(shares) == pytest.approx(np.quantile(values, shares), rel=1e-12)
    with pytest.raises(ValueError, match="at least one value"):
        QuantileSketch().quantiles([0.5])


@pytest.mark.parametrize("name", ["lognormal", "two-sided", "tiny and huge"])
def test_a_sketch_of_many_values_keeps_its_stated_error(name: str) -> None:
    draw = np.random.default_rng(1)
    values = {
        "lognormal": draw.lognormal(3, 2, 50_000),
        "two-sided": draw.normal(size=50_000) ** 3,
        "tiny and huge": 10.0 ** draw.uniform(-300, 300, 50_000),
    }[name]
    sketch = QuantileSketch.of(values)
    assert not sketch.exact
    assert len(sketch.values) < len(values)
    ranks = np.arange(0, len(values), 97)
    truth = np.sort(values)[ranks]
    found = sketch.quantiles((ranks / (len(values) - 1)).tolist())
    # Interpolation between neighbouring ranks adds what rounding the share to a float moves.
    assert (np.abs(found - truth) <= (RELATIVE_ERROR * 1.02) * np.abs(truth)).mean() > 0.999
    assert (np.abs(found - truth) <= 2.1 * RELATIVE_ERROR * np.abs(truth)).all()


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=12), min_size=2, max_size=5),
    st.integers(1, 12),
    st.randoms(use_true_random=False),
)
def test_a_sketch_does_not_depend_on_the_order_of_merging(parts: list[list[float]], limit: int, random: object) -> None:
    whole = QuantileSketch.of(np.array([value for part in parts for value in part]), limit)
    random.shuffle(parts)  # type: ignore[attr-defined]
    merged = QuantileSketch(max_distinct=limit)
    for part in parts:
        merged = merged.merge(QuantileSketch.of(np.array(part, float), limit))
    assert merged.exact == whole.exact
    assert merged.values.tolist() == whole.values.tolist()
    assert merged.counts.tolist() == whole.counts.tolist()


def test_totals_spill_beyond_a_tiny_limit_and_stay_exact() -> None:
    draw = np.random.default_rng(2)
    keys = pl.Series([f"k{value}" if value else None for value in draw.zipf(1.3, 3000) % 400])
    labels = pl.Series(draw.integers(0, 2, 3000).astype(float))
    whole = KeyTotals.of(keys, labels, 1000)
    assert not whole.runs
    spilled = KeyTotals.of(keys[:0], labels[:0], 50)
    for begin in range(0, 3000, 500):
        spilled = spilled.merge(KeyTotals.of(keys[begin : begin + 500], labels[begin : begin + 500], 50))
        assert len(spilled.totals) <= 50, "what is in memory is bounded"
    assert len(spilled.runs) > 3
    for min_count, max_size in ((1, None), (3, None), (1, 10), (2, 37)):
        assert_frame_equal(spilled.commonest(min_count, max_size), whole.commonest(min_count, max_size))
    assert whole.commonest(1, 1)["count"][0] == keys.drop_nulls().value_counts()["count"].max()


def test_spilled_files_go_when_nothing_refers_to_them() -> None:
    totals = KeyTotals.of(pl.Series([1, 2, 3, 2]), None, 2)
    folder = totals.runs[0].folder
    assert any(folder.iterdir())
    merged = totals.merge(totals)
    del totals
    gc.collect()
    assert merged.commonest()["count"].to_list() == [4, 2, 2]
    del merged
    gc.collect()
    assert not folder.exists()


def test_hashes_are_promises() -> None:
    # Fitted bundles hold rows that were found by these: they must never change.
    assert hash_text(["", "a", "naïve", None]).tolist() == [
        13898507668257350876,
        8911509408271123827,
        305053141046736525,
        13898507668257350876,
    ]
    assert hash_integers(np.array([0, 1, -1])).tolist() == [
        12035550249420947055,
        627405149472732430,
        3303439293501059696,
    ]
    assert hash_text(["a"], seed=1).tolist() != hash_text(["a"]).tolist()


def _mixed(value: int) -> int:
    value = (value + 0x9E3779B97F4A7C15) % 2**64
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) % 2**64
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) % 2**64
    return value ^ (value >> 31)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=30), st.integers(-(2**63), 2**63 - 1), st.integers(0, 2**63 - 1))
def test_hashes_are_those_of_the_formula_in_whole_numbers(text: str, integer: int, seed: int) -> None:
    content = text.encode()
    polynomial = sum((byte + 1) * pow(0x9FB21C651E98DF25, place + 1, 2**64) for place, byte in enumerate(content))
    seasoned = _mixed((polynomial + len(content) * 0x2545F4914F6CDD1D) % 2**64)
    assert hash_text([text], seed).tolist() == [_mixed(seasoned ^ _mixed(seed) ^ 0x2545F4914F6CDD1D)]
    assert hash_integers(np.array([integer]), seed).tolist() == [_mixed((integer % 2**64) ^ _mixed(seed))]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(max_size=20), max_size=8), st.integers(0, 2**63 - 1))
def test_a_column_hashes_as_its_values_do(texts: list[str], seed: int) -> None:
    together = hash_text(texts, seed).tolist()
    assert together == [int(hash_text([text], seed)[0]) for text in texts]
    assert together == hash_series(pl.Series(["first", *texts], dtype=pl.String)[1:], seed).tolist()


def test_long_texts_are_hashed_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["", "x" * 90, "", "ab", "y" * 30, "z", ""]
    whole = hash_text(texts).tolist()
    monkeypatch.setattr(hashing, "_CHUNK_BYTES", 40)
    assert hash_text(texts).tolist() == whole


def test_hashes_spread_evenly_and_do_not_collide() -> None:
    for hashes in (
        hash_text([f"item-{number}" for number in range(20_000)]),
        hash_integers(np.arange(20_000) * 1024),
        combine([hash_integers(np.arange(20_000) // 100), hash_integers(np.arange(20_000) % 100)]),
    ):
        assert len(set(hashes.tolist())) == 20_000
        counts = np.bincount((hashes % np.uint64(64)).astype(int), minlength=64)
        chi_squared = float(((counts - 312.5) ** 2 / 312.5).sum())
        assert chi_squared < 120, "63 degrees of freedom: above 120 about once in 100,000"


def test_what_is_no_text_is_not_hashed() -> None:
    with pytest.raises(SchemaError, match="expected text and None"):
        hash_text(["a", 3])  # type: ignore[list-item]


def test_lookups_by_hand() -> None:
    texts = KeyLookup(pl.Series(["b", "a", ""]))
    places, missing = texts.find(np.array(["a", None, "", "zz"], object))
    assert places.tolist() == [1, -1, 2, -1]
    assert missing is not None
    assert missing.tolist() == [False, True, False, False]
    integers = KeyLookup(pl.Series([7, -(2**63), 0]))
    places, missing = integers.find(np.array([0, 7, 8, -(2**63)]))
    assert places.tolist() == [2, 0, -1, 1]
    assert missing is None
    assert integers.find(np.array([None, 0], object))[0].tolist() == [-1, 2]
    assert KeyLookup(pl.Series([], dtype=pl.Int64)).find(np.array([1]))[0].tolist() == [-1]


@pytest.mark.parametrize("ids", [np.array([1.0]), np.array([2**63], object), np.array(["1"], object)])
def test_what_is_no_integer_is_not_looked_up(ids: np.ndarray) -> None:
    with pytest.raises(SchemaError, match="expected integers of at most 64 bits"):
        KeyLookup(pl.Series([1])).find(ids)
