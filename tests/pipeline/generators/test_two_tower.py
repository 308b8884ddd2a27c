"""Two-tower sources keep the contract under every index; new items are found at once; scores by hand."""

from __future__ import annotations

import numpy as np
import pytest

from aisle.pipeline.generators import Generator, TwoTowerGenerator
from aisle.pipeline.generators.towers import Towers
from aisle.recipe.indexes import index_spec
from aisle.schema import Item
from tests.contracts.generators import ALL, NUM_FITTED, GeneratorContract, everything, query_of
from tests.towers import towers_of

TITLES = ["tea", "tea cup", "cup", "lamp", "tea", "cup lamp", "", "tea tea cup", "lamp", "tea cup lamp"]
TEMPERATURE = 0.5


def tower(index: str = "exact", towers: Towers | None = None) -> TwoTowerGenerator:
    towers = towers or towers_of(TITLES)
    return TwoTowerGenerator("tower", towers, towers_name="tower", temperature=TEMPERATURE, index=index_spec(index))


class TestExactTwoTower(GeneratorContract):
    def build(self) -> Generator:
        return tower()


class TestFaissTwoTower(GeneratorContract):
    def build(self) -> Generator:
        pytest.importorskip("faiss")
        return tower("faiss")


def test_scores_by_hand() -> None:
    found = tower().candidates(query_of((2, 0)), ALL, everything())  # row 2: tea
    assert found.rows_k[:4].tolist() == [2, 6, 9, 3]
    double = 1 + np.log(2)
    cosines = np.array([1, 1, double / np.hypot(double, 1), 1 / np.sqrt(2)])
    assert found.scores_k[:4] == pytest.approx(np.exp((cosines - 1) / TEMPERATURE), rel=1e-5)
    assert found.scores_V is not None
    assert found.scores_V[5] == pytest.approx(np.exp(-1 / TEMPERATURE)), "an item at a right angle was scored"
    assert found.scores_V[8] == 0, "nothing is known of an item without title and id"


def test_every_score_is_told_apart_from_nothing_to_say() -> None:
    towers = towers_of(TITLES, {2: (80.0, 0.0), 3: (-80.0, 0.0)})
    generator = TwoTowerGenerator("tower", towers, towers_name="tower", temperature=0.02)
    found = generator.candidates(query_of((2, 0)), ALL, everything())
    assert found.rows_k[-1] == 3 and found.scores_k[-1] > 0


def test_the_id_counts_beside_the_content() -> None:
    # Rows 4 (cup) and 5 (lamp) share an id direction, as items do that go together.
    generator = tower(towers=towers_of(TITLES, {4: (2.0, 0.0), 5: (2.0, 0.0)}))
    assert generator.candidates(query_of((4, 0)), 2, everything()).rows_k.tolist() == [4, 5]


@pytest.mark.parametrize("index", ["exact", "flat", "hnsw"])
def test_a_new_item_is_found_the_moment_it_has_a_title(index: str) -> None:
    if index != "exact":
        pytest.importorskip("faiss")
    generator = tower(index)
    lamp, tea = Item(item_id="l", title="lamp unheard of", price=3.0), Item(item_id="t", title="tea")
    generator.set_new_items([lamp, None, tea])
    num_rows = NUM_FITTED + 3
    found = generator.candidates(query_of((2, 0), num_rows=num_rows), ALL, everything(num_rows))
    assert found.rows_k.tolist()[:3] == [2, 6, NUM_FITTED + 2], "equal scores in the order of rows"
    assert NUM_FITTED + 1 not in found.rows_k, "an item without a record says nothing"
    from_new = generator.candidates(query_of((NUM_FITTED, 0), num_rows=num_rows), 3, everything(num_rows))
    assert from_new.rows_k.tolist() == [5, 10, NUM_FITTED]
    hidden = everything(num_rows)
    hidden[NUM_FITTED + 2] = False
    assert NUM_FITTED + 2 not in generator.candidates(query_of((2, 0), num_rows=num_rows), ALL, hidden).rows_k
    generator.set_new_items([tea, None, tea])
    changed = generator.candidates(query_of((2, 0), num_rows=num_rows), 3, everything(num_rows))
    assert changed.rows_k.tolist() == [2, 6, NUM_FITTED], "a record that changes is read again"


def test_what_says_nothing_is_left_out_of_the_history() -> None:
    generator = tower()
    assert len(generator.candidates(query_of((8, 0)), ALL, everything()).rows_k) == 0  # row 8 has no title
    alone = generator.candidates(query_of((2, 9)), ALL, everything())
    among = generator.candidates(query_of((2, 9), (8, 0)), ALL, everything())
    assert np.array_equal(alone.scores_k, among.scores_k)


def test_the_reason_names_the_nearest_entry() -> None:
    assert tower().reason(query_of((5, 0), (4, 0)), 3) == ("Fits with {item}", 4)  # cup is nearer to "tea cup"
    assert tower().reason(query_of(), 3) == ("Suits what you looked at", None)
