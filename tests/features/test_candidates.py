"""Candidates' features on a tiny shop, worked by hand; unknown items and visitors; bundles; speed."""

from __future__ import annotations

import dataclasses
import math
import time
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from aisle.bundle import Bundle, BundleWriter
from aisle.errors import BundleError
from aisle.features.aggregates import NEVER_DAYS
from aisle.features.candidates import CandidateFeaturizer
from aisle.features.item_tables import CandidateSettings, ItemColumns, ShopEvents
from aisle.features.profile import Nobody
from aisle.schema import DAY_MS
from tests.profiles import NAN, Seen, profile_of

NOW_DAY = 15_400
NOW_MS = NOW_DAY * DAY_MS
TEA, CUP, PEN, NEW = 2, 3, 4, 9
SOURCES = ("ease", "popular")


def ago(days: float) -> int:
    return NOW_MS - round(days * DAY_MS)


def shop_events(*lines: tuple[int, int, float, float, float, int]) -> ShopEvents:
    """Purchases: item, user, days ago, quantity, price, basket."""
    items, users, days, quantities, prices, baskets = zip(*sorted(lines, key=lambda line: -line[2]), strict=True)
    times = [ago(day) for day in days]
    integers = [np.array(column, np.int64) for column in (items, users, users, times)]
    floats = [np.array(column, np.float64) for column in (quantities, prices)]
    n = len(items)
    return ShopEvents(*integers, np.ones(n), np.ones(n, np.bool_), *floats, np.array(baskets, np.int64))


LINES = (
    (TEA, 2, 380.0, 1.0, 3.0, 1),
    (TEA, 2, 370.0, 3.0, 3.0, 2),
    (TEA, 3, 5.0, 1.0, 4.0, 3),
    (CUP, 3, 5.0, 1.0, 8.0, 3),
)
ITEMS = ItemColumns(np.array([NAN, NAN, 4.0, NAN, NAN]), ["", "", "kitchen", "kitchen", "desk"], ["", "", "A", "", ""])


def featurizer() -> CandidateFeaturizer:
    return CandidateFeaturizer.fit(shop_events(*LINES), ITEMS, until_ms=NOW_MS, sources=SOURCES)


def features_of(
    fitted: CandidateFeaturizer, profile: Seen, *rows: int, scores: float = 0.5
) -> dict[str, NDArray[np.float32]]:
    shape = (len(rows), len(SOURCES))
    ranks = np.tile([3, 0], (len(rows), 1)).astype(np.int32)
    matrix = fitted.features(profile, np.array(rows, np.int32), np.full(shape, scores, np.float32), ranks)
    assert matrix.dtype == np.float32
    assert matrix.shape == (len(rows), len(fitted.names))
    assert np.isfinite(matrix).all()
    return dict(zip(fitted.names, matrix.T, strict=True))


VISITOR = profile_of(
    NOW_MS,
    (TEA, ago(40), 1.0, True, 2.0, 3.0),
    (CUP, ago(40), 1.0, True, 1.0, NAN),
    (TEA, ago(10), 1.0, True, 4.0, 3.0),
    (PEN, ago(2), 0.2, False, NAN, NAN),
)


def test_what_is_known_of_items() -> None:
    found = features_of(featurizer(), VISITOR, TEA, CUP, PEN)
    assert found["item_popularity_7d"] == pytest.approx(np.log1p([1, 1, 0]))
    assert found["item_popularity_365d"] == pytest.approx(np.log1p([1, 1, 0]))
    assert found["item_season"] == pytest.approx([0, 0, 0]), "ten days from now a year ago nothing was sold"
    assert found["item_baskets"] == pytest.approx(np.log1p([3, 1, 0]))
    assert found["item_buyers"] == pytest.approx(np.log1p([2, 1, 0]))
    overall = 1 / 3  # one of three pairs of user and item came again
    rates = [(1 + 5 * overall) / 7, 5 * overall / 6, overall]
    assert found["item_repeat_rate"] == pytest.approx(rates)
    assert found["item_interval"] == pytest.approx(np.log1p([10, 10, 10]))
    assert found["item_first_sale"] == pytest.approx(np.log1p([380, 5, NEVER_DAYS]))
    assert found["item_last_sale"] == pytest.approx(np.log1p([5, 5, NEVER_DAYS]))
    assert found["item_is_new"].tolist() == [0, 0, 1]
    # The catalogue's price, else what was paid, else the usual one.
    assert found["item_log_price"] == pytest.approx([math.log(4), math.log(8), math.log(32) / 2])
    assert found["item_trend_short"] == pytest.approx([*[math.log(3 / 2.25)] * 2, 0])


def test_last_season() -> None:
    later = CandidateFeaturizer.fit(shop_events(*LINES), ITEMS, until_ms=ago(20), sources=SOURCES)
    profile = dataclasses.replace(VISITOR, now_ms=ago(20))
    again = 1 - 2 ** (-10 / 28)
    found = features_of(later, profile, TEA, CUP)
    # A year before: days 385 to 357 ago; the second purchase of the same visitor adds what had faded.
    assert found["item_season"] == pytest.approx([math.log1p(1 + again), 0])
    assert found["item_first_sale"] == pytest.approx(np.log1p([360, NEVER_DAYS]))


def test_what_the_visitor_did() -> None:
    found = features_of(featurizer(), VISITOR, TEA, CUP, PEN)
    assert found["user_count"] == pytest.approx([math.log1p(3)] * 3)
    assert found["user_days"][0] == pytest.approx(math.log1p(2))
    assert found["user_basket_size"][0] == pytest.approx(math.log1p(1.5))
    assert found["user_quantity"][0] == pytest.approx(math.log1p(7))
    assert found["user_spend"][0] == pytest.approx(math.log1p(6 * 3 + 8)), "the cup at its known price"
    assert found["user_repeats"][0] == pytest.approx(1 / 3)
    assert found["user_last"][0] == pytest.approx(math.log1p(10))
    assert found["user_first"][0] == pytest.approx(math.log1p(40))
    assert found["user_gap"][0] == pytest.approx(math.log1p(30))
    assert found["user_due"][0] == pytest.approx(math.log1p(1 / 3))
    old, late = 2 ** (-40 / 365), 2 ** (-10 / 365)
    habit = (old * math.log(24) + late * math.log(3)) / (2 * old + late)
    assert found["user_log_price"][0] == pytest.approx(habit)
    assert found["price_above_habit"] == pytest.approx([math.log(4) - habit, math.log(8) - habit, 0], abs=1e-6)


def test_the_visitor_with_each_item_its_category_and_brand() -> None:
    found = features_of(featurizer(), VISITOR, TEA, CUP, PEN)
    assert found["own_decayed"] == pytest.approx([2 ** (-40 / 180) + 2 ** (-10 / 180), 2 ** (-40 / 180), 0])
    assert found["own_rank"] == pytest.approx([1, 1 / math.log2(3), 0])
    assert found["own_count"] == pytest.approx(np.log1p([2, 1, 0]))
    assert found["own_quantity"] == pytest.approx(np.log1p([6, 1, 0]))
    assert found["own_last"] == pytest.approx(np.log1p([10, 40, NEVER_DAYS]))
    assert found["own_first"] == pytest.approx(np.log1p([40, 40, NEVER_DAYS]))
    assert found["own_due"] == pytest.approx([math.log1p(1 / 3), 0, 0])
    assert found["own_due_of_item"] == pytest.approx(np.log1p([1, 4, 0]))
    assert found["own_due_of_user"] == pytest.approx(np.log1p([1 / 3, 4 / 3, 0]))
    assert found["own_seen_last"] == pytest.approx(np.log1p([10, 40, 2]))
    assert found["own_seen"][2] == pytest.approx(math.log1p(0.2 * 2 ** (-2 / 7)))
    assert found["category_count"] == pytest.approx(np.log1p([3, 3, 0]))
    assert found["category_share"].tolist() == [1, 1, 0]
    assert found["category_last"] == pytest.approx(np.log1p([10, 10, NEVER_DAYS]))
    assert found["brand_count"] == pytest.approx(np.log1p([2, 0, 0])), "no brand is no common brand"
    assert found["brand_share"] == pytest.approx([2 / 3, 0, 0])


def test_what_the_sources_say() -> None:
    found = features_of(featurizer(), VISITOR, TEA, CUP)
    assert found["score_ease"].tolist() == [0.5, 0.5]
    assert found["rank_ease"].tolist() == [0.5, 0.5], "1 / log2(1 + 3)"
    assert found["rank_popular"].tolist() == [0, 0]
    assert found["num_sources"].tolist() == [1, 1]
    with pytest.raises(ValueError, match=r"1 candidates by 2 sources, received \(1, 3\) and \(1, 2\)"):
        featurizer().features(
            VISITOR, np.array([2], np.int32), np.zeros((1, 3), np.float32), np.zeros((1, 2), np.int32)
        )


def test_an_unknown_visitor_and_unknown_items() -> None:
    fitted = featurizer()
    found = features_of(fitted, profile_of(NOW_MS), TEA, NEW)
    for name in fitted.names:
        if name.startswith(("own_", "user_", "category_", "brand_")):
            expected = math.log1p(NEVER_DAYS) if name.endswith(("_last", "_first")) else 0
            assert found[name] == pytest.approx([expected] * 2), name
    assert found["price_above_habit"].tolist() == [0, 0]
    assert found["item_is_new"].tolist() == [0, 1]
    bought = profile_of(NOW_MS, (NEW, ago(1), 1.0, True, 1.0, NAN))
    assert features_of(fitted, bought, TEA, NEW)["own_count"] == pytest.approx([0, math.log(2)])
    assert features_of(fitted, bought).keys() == found.keys()


def test_stamps_from_now_on_have_no_age() -> None:
    early = dataclasses.replace(VISITOR, now_ms=ago(20))
    found = features_of(featurizer(), early, TEA, CUP, PEN)
    assert found["own_last"] == pytest.approx([0, math.log1p(20), math.log1p(NEVER_DAYS)], abs=1e-6)
    assert found["item_last_sale"].tolist() == [0, 0, pytest.approx(math.log1p(NEVER_DAYS))]
    assert min(float(values.min()) for name, values in found.items() if name.endswith(("_last", "_first"))) >= 0


def test_ages_of_items_go_on_after_the_fit() -> None:
    later = dataclasses.replace(VISITOR, now_ms=ago(-3))
    assert features_of(featurizer(), later, TEA)["item_last_sale"] == pytest.approx([math.log1p(8)])


def test_newer_items_bring_price_category_and_brand() -> None:
    newer = ItemColumns(np.array([16.0, NAN]), ["kitchen", "garden"], ["A", "B"])
    grown = featurizer().extended(newer)
    found = features_of(grown, VISITOR, TEA, 5, 6)
    assert grown.names == featurizer().names
    assert found["item_log_price"][1] == pytest.approx(math.log(16))
    assert found["category_count"] == pytest.approx(np.log1p([3, 3, 0]))
    assert found["brand_count"] == pytest.approx(np.log1p([2, 2, 0]))
    assert found["item_is_new"].tolist() == [0, 1, 1]
    for name in ("item_first_sale", "item_last_sale"):  # counted from the end of the fit, not "never"
        later = dataclasses.replace(VISITOR, now_ms=VISITOR.now_ms + 3 * DAY_MS)
        since = (VISITOR.now_ms - grown.fitted_until_ms) / DAY_MS
        assert found[name][1:] == pytest.approx(np.log1p([since, since]))
        assert features_of(grown, later, 5)[name] == pytest.approx(np.log1p([since + 3]))
    assert grown.item_codes(np.array([TEA, 5, 6, 99], np.int32)).tolist() == [[2, 1], [2, 1], [0, 0], [0, 0]]
    fitted_rows = [0, 1, TEA, 3, 4]
    before, after = (features_of(one, VISITOR, *fitted_rows) for one in (featurizer(), grown))
    for name in grown.names:  # the newer items' prices do not move what stands for an unknown one
        assert after[name].tolist() == before[name].tolist(), name
    assert found["item_log_price"][2] == before["item_log_price"][0]


def test_saved_and_loaded(tmp_path: Path) -> None:
    fitted = CandidateFeaturizer.fit(
        shop_events(*LINES),
        ITEMS,
        until_ms=NOW_MS,
        sources=SOURCES,
        settings=CandidateSettings(own_half_life_days=99.0),
    )
    with BundleWriter(tmp_path / "bundle") as writer:
        fitted.save(writer)
    loaded = CandidateFeaturizer.load(Bundle.open(tmp_path / "bundle"))
    assert (loaded.names, loaded.sources, loaded.settings) == (fitted.names, SOURCES, fitted.settings)
    assert loaded.fitted_until_ms == NOW_MS
    ours, theirs = (features_of(one, VISITOR, TEA, CUP, PEN, NEW) for one in (fitted, loaded))
    assert all(np.array_equal(ours[name], theirs[name]) for name in fitted.names)
    with BundleWriter(tmp_path / "other") as writer:
        arrays = Bundle.open(tmp_path / "bundle").read_arrays("features/candidates")
        writer.write_arrays("features/candidates", arrays | {"unheard_of": np.zeros(3)})
        writer.write_json("features/candidates", Bundle.open(tmp_path / "bundle").read_json("features/candidates"))
    with pytest.raises(BundleError, match=r"features/candidates.*unheard_of.*train again"):
        CandidateFeaturizer.load(Bundle.open(tmp_path / "other"))


def test_nobody_has_done_nothing() -> None:
    assert all(len(getattr(Nobody(), field.name)) == 0 for field in dataclasses.fields(Seen)[1:])


@pytest.mark.timing
def test_500_candidates_of_a_visitor_with_300_events_within_5_ms() -> None:
    random = np.random.default_rng(0)
    num_items, num_events = 4000, 20_000
    columns = (
        random.integers(2, num_items, num_events),
        random.integers(2, 500, num_events),
        np.sort(random.random(num_events))[::-1] * 400,
        np.ones(num_events),
        random.random(num_events),
        random.integers(0, 3000, num_events),
    )
    items = ItemColumns(
        random.random(num_items) + 1,
        [f"category {row % 20}" for row in range(num_items)],
        [f"brand {row % 90}" for row in range(num_items)],
    )
    fitted = CandidateFeaturizer.fit(
        shop_events(*zip(*columns, strict=True)), items, until_ms=NOW_MS, sources=[f"s{n}" for n in range(12)]
    )
    profile = profile_of(
        NOW_MS, *((int(row), ago(300 - n), 1.0, n % 3 > 0, 2.0, NAN) for n, row in enumerate(columns[0][:300]))
    )
    rows = np.sort(random.choice(np.arange(2, num_items), 500, replace=False)).astype(np.int32)
    scores, ranks = random.random((500, 12)).astype(np.float32), random.integers(0, 300, (500, 12)).astype(np.int32)
    took = []
    for _ in range(50):
        started = time.perf_counter()
        fitted.features(profile, rows, scores, ranks)
        took.append(time.perf_counter() - started)
    assert np.median(took) < 0.005, f"median {np.median(took) * 1000:.2f} ms"
