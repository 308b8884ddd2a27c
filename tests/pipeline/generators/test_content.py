"""Content likeness keeps the contract under every index; new items are found at once."""

from __future__ import annotations

import numpy as np
import pytest

from aisle.pipeline.generators import ContentGenerator, Generator, TextEncoder
from aisle.pipeline.text import item_tokens
from aisle.recipe.indexes import index_spec
from aisle.schema import Item
from tests.contracts.generators import ALL, NUM_FITTED, GeneratorContract, everything, query_of

#: Three words on three axes.
WORDS = {"tea": 0, "cup": 1, "lamp": 2}
ENCODER = TextEncoder(WORDS, np.ones(3, np.float32), np.eye(3, dtype=np.float32))
TITLES = ["tea", "tea cup", "cup", "lamp", "tea", "cup lamp", "", "tea tea cup", "lamp", "tea cup lamp"]


def content(index: str = "exact", half_life_days: float | None = None) -> ContentGenerator:
    vectors = [np.zeros(3, np.float32)] * 2 + [ENCODER.encode(title.split()) for title in TITLES]
    return ContentGenerator(
        "content", ENCODER, np.stack(vectors), half_life_days=half_life_days, index=index_spec(index)
    )


class TestExactContent(GeneratorContract):
    def build(self) -> Generator:
        return content("exact", half_life_days=30)


class TestFaissContent(GeneratorContract):
    def build(self) -> Generator:
        pytest.importorskip("faiss")
        return content("flat", half_life_days=30)


def test_likeness_by_hand() -> None:
    found = content().candidates(query_of((2, 0)), ALL, everything())  # row 2: tea
    assert found.rows_k.tolist() == [2, 6, 9, 3, 11]
    # "tea tea cup" is (1 + ln 2, 1, 0) at length 1; "tea cup lamp" is (1, 1, 1) / sqrt 3.
    double = 1 + np.log(2)
    expected = [1, 1, double / np.hypot(double, 1), 1 / np.sqrt(2), 1 / np.sqrt(3)]
    assert found.scores_k == pytest.approx(expected, abs=1e-6)


def test_the_profile_is_the_weighted_mean_of_its_items() -> None:
    # Tea today and a lamp one half-life ago: (1, 0, .5) at length 1.
    generator = content(half_life_days=10)
    found = generator.candidates(query_of((2, 0), (5, 10)), ALL, everything())
    assert dict(zip(found.rows_k.tolist(), found.scores_k.tolist(), strict=True))[5] == pytest.approx(0.5 / 1.25**0.5)


def test_an_item_without_words_finds_and_is_found_by_nothing() -> None:
    generator = content()
    assert len(generator.candidates(query_of((8, 0)), ALL, everything()).rows_k) == 0  # row 8 has no title
    assert 8 not in generator.candidates(query_of((2, 0), (4, 0)), ALL, everything()).rows_k


def test_a_new_item_is_found_the_moment_it_has_a_title() -> None:
    generator = content()
    generator.set_new_items([Item(item_id="l", title="lamp unheard of"), None, Item(item_id="t", title="tea")])
    found = generator.candidates(query_of((2, 0), num_rows=NUM_FITTED + 3), ALL, everything(NUM_FITTED + 3))
    assert found.rows_k.tolist()[:3] == [2, 6, NUM_FITTED + 2], "equal scores in the order of rows"
    assert NUM_FITTED not in found.rows_k
    from_new = generator.candidates(query_of((NUM_FITTED, 0), num_rows=NUM_FITTED + 3), 3, everything(NUM_FITTED + 3))
    assert from_new.rows_k.tolist() == [5, 10, NUM_FITTED]
    hidden = everything(NUM_FITTED + 3)
    hidden[NUM_FITTED + 2] = False
    query = query_of((2, 0), num_rows=NUM_FITTED + 3)
    assert NUM_FITTED + 2 not in generator.candidates(query, ALL, hidden).rows_k
    generator.set_new_items([])
    assert (generator.candidates(query, ALL, everything(NUM_FITTED + 3)).rows_k < NUM_FITTED).all()


def test_the_reason_names_the_most_similar_item() -> None:
    assert content().reason(query_of((5, 0), (4, 0)), 3) == ("Similar to {item}", 4)  # cup is nearer to "tea cup"
    assert content().reason(query_of(), 3) == ("Similar to what you looked at", None)


def test_tokens_of_an_item() -> None:
    assert item_tokens("Red Tea-Cup, 6 pcs", ["Kitchen", "Cups"], "Acme Ltd") == [
        *("red", "tea", "cup", "pcs"),
        *("red tea", "tea cup", "cup pcs"),
        *("category:kitchen", "category:cups", "brand:acme ltd"),
    ]
    assert item_tokens(None, None, None) == []
    assert item_tokens("Thé über_alles", [], "") == ["thé", "über", "alles", "thé über", "über alles"]
