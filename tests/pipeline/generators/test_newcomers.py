"""The quota of newcomers keeps the contract; who is one, and for how long."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from aisle.bundle import Bundle, BundleWriter
from aisle.pipeline.generators import Generator, NewcomerGenerator, TwoTowerGenerator
from aisle.pipeline.generators.newcomers import NEVER_MS
from aisle.schema import DAY_MS, Item
from tests.contracts.generators import ALL, NOW_MS, NUM_FITTED, GeneratorContract, everything, query_of
from tests.pipeline.generators.test_two_tower import TITLES
from tests.towers import towers_of

DAYS = 28


def newcomers(first_taken_days_ago: dict[int, float] | None = None, *, quota: int = ALL) -> NewcomerGenerator:
    """Items are newcomers by default; ``first_taken_days_ago`` names when some were first taken."""
    first_ms_V = np.full(NUM_FITTED, NEVER_MS, np.int64)
    for row, days in (first_taken_days_ago or {}).items():
        first_ms_V[row] = NOW_MS - round(days * DAY_MS)
    return NewcomerGenerator(
        "tower_new",
        towers_of(TITLES),
        towers_name="tower",
        temperature=0.5,
        first_taken_ms_V=first_ms_V,
        newcomer_days=DAYS,
        quota=quota,
    )


class TestNewcomers(GeneratorContract):
    def build(self) -> Generator:
        return newcomers({4: 300, 5: 20})


def test_an_item_is_a_newcomer_until_it_was_known_for_so_many_days() -> None:
    generator = newcomers({2: 300, 3: DAYS - 0.1, 6: DAYS + 0.1, 9: 0})
    found = generator.candidates(query_of((2, 0)), ALL, everything())
    assert found.rows_k.tolist()[:2] == [9, 3], "by likeness to the query"
    assert {4, 5, 7, 10, 11} <= set(found.rows_k.tolist()), "never taken is new"
    assert not {2, 6} & set(found.rows_k.tolist())
    later = query_of((2, 0), now_ms=NOW_MS + DAYS * DAY_MS)
    assert 9 not in generator.candidates(later, ALL, everything()).rows_k


def test_the_quota_is_of_the_nearest_and_items_behind_the_bundle_are_among_them() -> None:
    generator = newcomers(dict.fromkeys(range(2, NUM_FITTED), 100.0), quota=2)
    num_rows = NUM_FITTED + 3
    assert len(generator.candidates(query_of((2, 0), num_rows=num_rows), ALL, everything(num_rows)).rows_k) == 0
    titles = ("lamp", "tea cup", "tea")
    generator.set_new_items([Item(item_id=title, title=title) for title in titles])
    found = generator.candidates(query_of((2, 0), num_rows=num_rows), ALL, everything(num_rows))
    assert found.rows_k.tolist() == [NUM_FITTED + 2, NUM_FITTED + 1]
    assert found.scores_V is None, "beyond the quota it says nothing"


def test_both_sources_of_a_fit_share_the_files(tmp_path: Path) -> None:
    new = newcomers(quota=3)
    nearest = TwoTowerGenerator("tower", new.towers, towers_name="tower", temperature=0.5)
    with BundleWriter(tmp_path / "bundle") as writer:
        parameters = [nearest.save(writer), new.save(writer)]
    bundle = Bundle.open(tmp_path / "bundle")
    assert sum(name.endswith("query_tower.onnx") for name in bundle.names()) == 1
    loaded = NewcomerGenerator.load("tower_new", bundle, parameters[1])
    query = query_of((2, 0))
    expected = new.candidates(query, ALL, everything())
    assert loaded.candidates(query, ALL, everything()).rows_k.tolist() == expected.rows_k.tolist()
    assert len(expected.rows_k) == 3


def test_the_reason_says_that_it_is_new() -> None:
    assert newcomers().reason(query_of((5, 0), (4, 0)), 3) == ("New, and fits with {item}", 4)
    assert newcomers().reason(query_of(), 3) == ("New in the shop", None)
