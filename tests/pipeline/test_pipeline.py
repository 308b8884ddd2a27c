"""The stages of a pipeline on generators written by hand: order, families, fill, explanations, faults, budgets."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from aisle.bundle import Bundle, BundleWriter
from aisle.errors import BundleError, ConfigError
from aisle.pipeline import Blend, LatestRule, NewcomerRule, Pipeline, Placement, Query, Ranked
from aisle.pipeline.generators import Candidates, Generator, PopularityList, RepeatGenerator
from aisle.pipeline.rerank import Cap
from aisle.schema import DAY_MS
from tests.contracts.generators import everything, query_of
from tests.pipeline.generators.test_neighbours import generator_of

NUM_ITEMS = 12
#: Row 10 is the most popular, then 9, 8, ... 2.
POPULAR = np.array([0, 0, *range(1, 11)], np.float32)


class Broken(PopularityList):
    def candidates(self, query: Query, k: int, eligible_V: NDArray[np.bool_]) -> Candidates:
        raise RuntimeError("broken on purpose")


class Slow(PopularityList):
    def candidates(self, query: Query, k: int, eligible_V: NDArray[np.bool_]) -> Candidates:
        time.sleep(0.02)
        return super().candidates(query, k, eligible_V)


def pipeline_of(
    *placements: Placement,
    candidates_per_source: int = 50,
    is_taken_V: NDArray[np.bool_] | None = None,
    **more: Generator,
) -> Pipeline:
    generators: dict[str, Generator] = {
        "popular": PopularityList("popular", POPULAR, reason="Popular"),
        "near": generator_of({2: {4: 4.0, 5: 1.0}, 3: {5: 4.0}}),
        "own": RepeatGenerator("own", score="recency", half_life_days=30),
        **more,
    }
    return Pipeline(
        item_ids=["", "", *(f"i{row}" for row in range(2, NUM_ITEMS))],
        generators=generators,
        placements={placement.name: placement for placement in placements},
        signals={"purchase": 1.0, "view": 0.2},
        target="purchase",
        candidates_per_source=candidates_per_source,
        history_limit=1000,
        fitted_until_ms=7,
        is_taken_V=is_taken_V,
    )


def placement_of(weights: dict[str, float], exclude: dict[str, float] | None = None, **options: Any) -> Placement:
    blends = {"allow": Blend(weights), "exclude": Blend(exclude or weights)}
    return Placement("for-you", "history", tuple(weights), blends, **options)  # type: ignore[arg-type]


def ask(pipeline: Pipeline, query: Query, limit: int = 10, repeat: str = "allow", **options: Any) -> Ranked:
    options = {"eligible_V": everything(), **options}
    return pipeline.recommend("for-you", query, repeat=repeat, limit=limit, **options)  # type: ignore[arg-type]


def test_the_order_by_hand() -> None:
    # For row 2: near says 4 with 4/4 and 5 with 1/4; popular says 11 with 10/10 down to 2 with 1/10; roots of both.
    ranked = ask(pipeline_of(placement_of({"near": 0.6, "popular": 0.4})), query_of((2, 0)))
    expected = {row: 0.4 * np.sqrt((row - 1) / 10) for row in range(2, 12)}
    expected[4] += 0.6
    expected[5] += 0.6 * np.sqrt(1 / 4)
    order = sorted(expected, key=lambda row: -expected[row])
    assert ranked.rows_n.tolist() == order == [4, 5, 11, 10, 9, 8, 7, 6, 3, 2]
    assert ranked.scores_n == pytest.approx([expected[row] for row in order])
    assert ranked.sources == ("near", "popular")
    assert set(ranked.stage_ms) == {"retrieve", "rank", "rerank"}
    assert ranked.degraded == []


def test_the_shares_of_an_item_sum_to_its_score() -> None:
    ranked = ask(pipeline_of(placement_of({"near": 0.6, "popular": 0.4})), query_of((2, 0), (3, 5)))
    at = np.searchsorted(ranked.merged.rows_K, ranked.rows_n)
    assert ranked.merged.rows_K[at].tolist() == ranked.rows_n.tolist()
    assert ranked.shares_KS[at].sum(axis=1) == pytest.approx(ranked.scores_n)
    assert (ranked.merged.ranks_KS[at] >= 0).all()


def test_the_repeat_policy_chooses_the_blend() -> None:
    pipeline = pipeline_of(placement_of({"near": 1.0, "popular": 0.0}, {"near": 0.0, "popular": 1.0}))
    assert ask(pipeline, query_of((3, 0))).rows_n.tolist() == [5]
    assert ask(pipeline, query_of((3, 0)), 2, repeat="exclude").rows_n.tolist() == [11, 10]


def test_only_eligible_items_and_never_more_than_asked_for() -> None:
    eligible_V = everything()
    eligible_V[[4, 11]] = False
    pipeline = pipeline_of(placement_of({"near": 0.6, "popular": 0.4}), candidates_per_source=3)
    ranked = ask(pipeline, query_of((2, 0)), 3, eligible_V=eligible_V)
    assert ranked.rows_n.tolist() == [5, 10, 9], "the filter comes first, so that three are still found"
    assert len(ask(pipeline, query_of((2, 0)), eligible_V=np.zeros(NUM_ITEMS, np.bool_)).rows_n) == 0


def test_one_of_a_family() -> None:
    family_V = np.full(NUM_ITEMS, -1)
    family_V[[4, 11, 9]] = 77
    family_V[[10, 8]] = 5
    ranked = ask(pipeline_of(placement_of({"near": 0.6, "popular": 0.4})), query_of((2, 0)), 5, caps=[Cap(family_V, 1)])
    assert ranked.rows_n.tolist() == [4, 5, 10, 7, 6], "11 and 9 are variants of 4, 8 of 10; -1 is no family"
    assert (np.diff(ranked.scores_n) <= 0).all()


def test_a_short_answer_is_filled_with_what_is_popular() -> None:
    pipeline = pipeline_of(placement_of({"near": 1.0}, fill="popular"))
    ranked = ask(pipeline, query_of((2, 0)), 4)
    assert ranked.rows_n.tolist() == [4, 5, 11, 10]
    assert ranked.scores_n == pytest.approx([1, 0.5, 0, 0])
    assert ask(pipeline_of(placement_of({"near": 1.0})), query_of((2, 0)), 4).rows_n.tolist() == [4, 5]
    assert len(ask(pipeline, query_of(), 50).rows_n) == 10, "no item twice, and no reserved row"


def test_the_fill_goes_on_behind_many_variants_of_one_product() -> None:
    family_V = np.arange(NUM_ITEMS)
    family_V[4:] = 99  # the eight most popular are one product
    pipeline = pipeline_of(placement_of({"near": 1.0}, fill="popular"))
    assert ask(pipeline, query_of(), 2, caps=[Cap(family_V, 1)]).rows_n.tolist() == [11, 3]
    assert ask(pipeline, query_of(), 9, caps=[Cap(family_V, 1)]).rows_n.tolist() == [11, 3, 2]


def test_a_failing_source_is_left_out_and_named() -> None:
    broken = Broken("broken", POPULAR, reason="")
    pipeline = pipeline_of(placement_of({"near": 0.5, "broken": 0.5}, fill="popular"), broken=broken)
    ranked = ask(pipeline, query_of((2, 0)), 3, tolerant=True)
    assert ranked.rows_n.tolist() == [4, 5, 11]
    assert ranked.degraded == ["retrieve: broken failed and was left out"]
    with pytest.raises(RuntimeError, match="broken on purpose"):
        ask(pipeline, query_of((2, 0)), 3)


def test_sources_past_the_budget_are_left_out_and_named() -> None:
    slow = Slow("slow", POPULAR, reason="")
    pipeline = pipeline_of(placement_of({"slow": 0.5, "near": 0.5}, fill="popular"), slow=slow)
    ranked = ask(pipeline, query_of((2, 0)), 3, tolerant=True, budget_ms=10)
    assert ranked.rows_n.tolist() == [11, 10, 9]
    assert ranked.degraded == ["retrieve: near left out, past the budget of 10 ms"]
    assert ask(pipeline, query_of((2, 0)), 3, tolerant=True, budget_ms=10_000).degraded == []


LATEST = LatestRule(source="near", within_minutes=30, nearest=1, place=3)


def test_what_goes_with_the_latest_event_gets_a_place() -> None:
    pipeline = pipeline_of(placement_of({"popular": 1.0}, latest=LATEST))
    minutes = 1 / (24 * 60)
    popular = [11, 10, 9, 8, 7, 6, 5, 4, 3, 2]
    assert ask(pipeline, query_of((2, 40 * minutes)), 4).rows_n.tolist() == popular[:4], "too long ago"
    assert ask(pipeline, query_of(), 4).rows_n.tolist() == popular[:4]
    ranked = ask(pipeline, query_of((3, 90), (2, 20 * minutes)), 4)
    assert ranked.rows_n.tolist() == [11, 10, 4, 9]
    assert ranked.placed == {4: "near"}
    assert (np.diff(ranked.scores_n) <= 0).all()
    assert ask(pipeline, query_of((2, 0))).rows_n.tolist() == popular, "it stands among the first ten already"
    assert ask(pipeline, query_of((2, 0)), 2).rows_n.tolist() == [11, 4], "a short list has no third place"
    hidden = everything()
    hidden[4] = False
    assert ask(pipeline, query_of((2, 0)), 4, eligible_V=hidden).rows_n.tolist() == [11, 10, 5, 9], "the next nearest"
    assert ask(pipeline, query_of((6, 0)), 4).rows_n.tolist() == popular[:4], "nothing goes with it"


def test_what_nobody_took_yet_gets_a_place_where_it_suits() -> None:
    rule = NewcomerRule(source="near", nearest=2, place=3)
    taken_V = np.ones(NUM_ITEMS, np.bool_)
    taken_V[[4, 5]] = False
    pipeline = pipeline_of(placement_of({"popular": 1.0, "near": 1e-6}, newcomer=rule), is_taken_V=taken_V)
    popular = [11, 10, 9, 8, 7, 6, 5, 4, 3, 2]
    assert ask(pipeline, query_of((6, 0)), 5).rows_n.tolist() == popular[:5], "it suits those who look at 2 or 3"
    ranked = ask(pipeline, query_of((2, 0)), 5)
    assert ranked.rows_n.tolist() == [11, 10, 4, 9, 8], "the nearer of the two"
    assert ranked.placed == {4: "near"}
    assert (np.diff(ranked.scores_n) <= 0).all()
    assert ask(pipeline, query_of((2, 0)), 2).rows_n.tolist() == [11, 10], "a short list has no third place"
    hidden = everything()
    hidden[4] = False
    assert ask(pipeline, query_of((2, 0)), 5, eligible_V=hidden).rows_n.tolist() == [11, 10, 5, 9, 8]
    closer = pipeline_of(placement_of({"near": 1.0, "popular": 0.1}, newcomer=rule), is_taken_V=taken_V)
    assert ask(closer, query_of((2, 0)), 5).rows_n.tolist()[:2] == [4, 5], "it stands there by itself"
    narrow = placement_of({"popular": 1.0, "near": 1e-6}, newcomer=replace(rule, nearest=1))
    pipeline = pipeline_of(narrow, is_taken_V=np.arange(NUM_ITEMS) != 5)
    assert ask(pipeline, query_of((2, 0)), 5).rows_n.tolist() == popular[:5], "the source lists another one first"


def test_an_item_that_came_after_the_fit_is_new() -> None:
    near = generator_of({2: {4: 1.0}})
    near.candidates = lambda query, k, eligible_V: Candidates(np.array([NUM_ITEMS], np.int32), np.ones(1, np.float32))  # type: ignore[method-assign]
    pipeline = pipeline_of(placement_of({"popular": 1.0, "near": 1e-6}, newcomer=NewcomerRule("near", 5, 2)), near=near)
    query = query_of((2, 0), num_rows=NUM_ITEMS + 1)
    eligible_V = np.ones(NUM_ITEMS + 1, np.bool_)
    assert ask(pipeline, query, 3, eligible_V=eligible_V).rows_n.tolist() == [11, NUM_ITEMS, 10]


def test_saved_and_loaded_it_answers_the_same(tmp_path: Path) -> None:
    trending = Placement("trending", "history", ("popular",), {"allow": Blend({"popular": 1.0})})
    newcomer = NewcomerRule(source="near", nearest=3, place=1)
    pipeline = pipeline_of(
        placement_of({"near": 0.6, "own": 0.4}, {"near": 1.0}, fill="popular", latest=LATEST, newcomer=newcomer),
        trending,
        is_taken_V=np.arange(NUM_ITEMS) != 5,
    )
    with BundleWriter(tmp_path / "bundle") as writer:
        pipeline.save(writer)
    loaded = Pipeline.load(Bundle.open(tmp_path / "bundle"))
    assert loaded.item_ids == pipeline.item_ids
    assert loaded.placements == pipeline.placements
    names = ("signals", "target", "candidates_per_source", "history_limit", "fitted_until_ms")
    assert [getattr(loaded, name) for name in names] == [getattr(pipeline, name) for name in names]
    for query in (query_of(), query_of((2, 0)), query_of((2, 9), (3, 1), (2, 0))):
        for repeat in ("allow", "exclude"):
            ours, theirs = ask(pipeline, query, repeat=repeat), ask(loaded, query, repeat=repeat)
            assert ours.rows_n.tolist() == theirs.rows_n.tolist()
            assert np.array_equal(ours.scores_n, theirs.scores_n)


def test_a_bundle_without_what_a_pipeline_needs_is_refused(tmp_path: Path) -> None:
    with BundleWriter(tmp_path / "bundle") as writer:
        writer.write_json("pipeline", {"generators": [], "placements": []})
        writer.write_json("other", {})
    with pytest.raises(BundleError, match=r"expected the key|has no such file"):
        Pipeline.load(Bundle.open(tmp_path / "bundle"))


def test_an_unknown_placement_names_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="placement: expected one of for-you, received 'nowhere'"):
        pipeline_of(placement_of({"near": 1.0})).placement("nowhere")


def test_items_newer_than_the_bundle_are_no_stumbling_block() -> None:
    pipeline = pipeline_of(placement_of({"near": 0.6, "popular": 0.4}))
    query = query_of((2, 0), (NUM_ITEMS, 0), num_rows=NUM_ITEMS + 2)
    ranked = ask(pipeline, query, eligible_V=everything(NUM_ITEMS + 2))
    assert ranked.rows_n.tolist()[:3] == [4, 5, 11]
    assert max(ranked.rows_n) < NUM_ITEMS


def test_ages_count_from_the_time_of_asking() -> None:
    pipeline = pipeline_of(placement_of({"own": 1.0}))
    later = query_of((2, 40), (3, 10), now_ms=500 * DAY_MS)
    assert ask(pipeline, later).scores_n == pytest.approx([1, 2 ** (-30 / 30 / 2)])


class TestCaps:
    """Popular says 11, 10, 9, ... 2. Even rows are of category 0, odd ones of category 1; three rows are of a brand."""

    CATEGORY_V = np.arange(NUM_ITEMS) % 2
    BRAND_V = np.where(np.isin(np.arange(NUM_ITEMS), [11, 10, 9]), 0, -1)

    def rows(self, limit: int, *caps: Cap, **options: Any) -> list[int]:
        pipeline = pipeline_of(placement_of({"popular": 1.0}), candidates_per_source=options.pop("candidates", 50))
        rows: list[int] = ask(pipeline, query_of(), limit, caps=caps, **options).rows_n.tolist()
        return rows

    def test_the_best_of_each_group_stand_in_the_order_of_scores(self) -> None:
        assert self.rows(4, Cap(self.CATEGORY_V, 2)) == [11, 10, 9, 8]
        assert self.rows(5, Cap(self.CATEGORY_V, 1)) == [11, 10], "there are two categories and no more"
        assert self.rows(4, Cap(self.BRAND_V, 1)) == [11, 8, 7, 6], "what is of no brand is not capped"

    def test_what_one_cap_refuses_does_not_count_for_another(self) -> None:
        # 10 and 9 are refused by the brand: the categories' places go to 8, 7 and 6.
        assert self.rows(9, Cap(self.BRAND_V, 1), Cap(self.CATEGORY_V, 2)) == [11, 8, 7, 6]

    @pytest.mark.parametrize("candidates", [1, 2, 3])
    def test_a_capped_list_is_completed_from_behind_the_candidates(self, candidates: int) -> None:
        crowded_V = np.where(np.arange(NUM_ITEMS) > 4, 0, -1)
        assert self.rows(3, Cap(crowded_V, 1), candidates=2) == [11, 4, 3]
        pipeline = pipeline_of(placement_of({"popular": 1.0}), candidates_per_source=candidates + 1)
        ranked = ask(pipeline, query_of(), 4, caps=[Cap(crowded_V, 1)])
        assert ranked.rows_n.tolist() == [11, 4, 3, 2]
        assert ranked.scores_n.tolist() == [1, 0, 0, 0]
        assert {ranked.placed[row] for row in (4, 3, 2)} == {"popular"}

    def test_the_fill_keeps_the_caps_too(self) -> None:
        pipeline = pipeline_of(placement_of({"near": 1.0}, fill="popular"))
        # Near says 4 and 5.
        ranked = ask(pipeline, query_of((2, 0)), 4, caps=[Cap(self.CATEGORY_V, 2)])
        assert ranked.rows_n.tolist() == [4, 5, 11, 10]
        ranked = ask(pipeline, query_of((2, 0)), 4, caps=[Cap(self.CATEGORY_V, 1)])
        assert ranked.rows_n.tolist() == [4, 5]

    def test_an_item_that_a_rule_placed_keeps_the_caps(self) -> None:
        rule = LatestRule("near", within_minutes=60, nearest=1, place=3)
        pipeline = pipeline_of(placement_of({"popular": 1.0}, latest=rule))
        query = query_of((2, 0))
        assert ask(pipeline, query, 3).rows_n.tolist() == [11, 10, 4]
        assert ask(pipeline, query, 3, caps=[Cap(self.CATEGORY_V, 1)]).rows_n.tolist() == [11, 10]
        assert ask(pipeline, query, 3, caps=[Cap(self.CATEGORY_V, 2)]).rows_n.tolist() == [11, 10, 4]

    @given(st.data())
    def test_a_list_keeps_its_caps_and_is_full_where_it_can_be(self, data: st.DataObject) -> None:
        group_V = np.array(data.draw(st.lists(st.integers(-1, 3), min_size=NUM_ITEMS, max_size=NUM_ITEMS)))
        most, limit = data.draw(st.integers(1, 4)), data.draw(st.integers(1, NUM_ITEMS))
        rows = self.rows(limit, Cap(group_V, most), candidates=data.draw(st.integers(limit, NUM_ITEMS)))
        groups = group_V[rows][group_V[rows] >= 0]
        assert len(groups) == 0 or np.unique(groups, return_counts=True)[1].max() <= most
        possible = [min(int((group_V[2:] == group).sum()), most) for group in range(4)]
        assert len(rows) == min(limit, int((group_V[2:] < 0).sum()) + sum(possible))
        assert len(set(rows)) == len(rows)
