"""TF-IDF and its projection: nearest titles, and an item that comes after the fit."""

from __future__ import annotations

import math

import numpy as np
import pytest

from aisle.pipeline.text import item_tokens
from aisle.recipe.generators import ContentSpec
from aisle.retrieval import fit_content
from aisle.retrieval.content import fit_encoder
from aisle.schema import Item
from tests.contracts.generators import ALL, everything, query_of
from tests.histories import SIGNALS, Line, snapshot_of

TITLES = {
    "mug-red": ("Red coffee mug", ["Kitchen", "Mugs"]),
    "mug-blue": ("Blue coffee mug", ["Kitchen", "Mugs"]),
    "mug-tall": ("Tall coffee mug red", ["Kitchen", "Mugs"]),
    "lamp-desk": ("Desk lamp brass", ["Lighting"]),
    "lamp-floor": ("Floor lamp brass", ["Lighting"]),
    "lamp-red": ("Red desk lamp", ["Lighting"]),
    "bag": ("Garden bag", ["Garden"]),
}
ITEMS = [Item(item_id=item_id, title=title, category=category) for item_id, (title, category) in TITLES.items()]
SPEC = ContentSpec(kind="content", dimension=6, history_half_life_days=None)


def test_the_nearest_titles_come_first() -> None:
    snapshot = snapshot_of([Line(1, "u", "no-record")], ITEMS, day=5)
    (content,) = fit_content("content", SPEC, snapshot, SIGNALS)
    row_of = snapshot.item_row_of
    assert row_of["no-record"] == 9

    def nearest(item_id: str, num_rows: int = snapshot.num_items) -> list[str]:
        eligible_V = everything(num_rows)
        eligible_V[row_of[item_id]] = False
        found = content.candidates(query_of((row_of[item_id], 0), num_rows=num_rows), ALL, eligible_V)
        return [[*snapshot.item_ids, "new"][row] for row in found.rows_k]

    assert nearest("mug-blue")[:2] == ["mug-red", "mug-tall"]
    assert set(nearest("lamp-desk")[:2]) == {"lamp-floor", "lamp-red"}
    assert "no-record" not in nearest("lamp-desk")
    assert nearest("no-record") == []
    content.set_new_items([Item(item_id="new", title="Blue coffee mug, handmade", category=["Kitchen", "Mugs"])])
    assert nearest("mug-blue", snapshot.num_items + 1)[0] == "new", "an item newer than the fit is found"


def test_inverse_document_frequencies_by_hand() -> None:
    tokens = [["red", "tea"], ["red", "cup"], ["red", "tea", "tea"], []]
    encoder = fit_encoder(tokens, SPEC)
    assert encoder is not None
    assert encoder.vocabulary == {"red": 0, "tea": 1}, "a token of one item says nothing of others"
    assert encoder.idf_W == pytest.approx([math.log(4 / 4) + 1, math.log(4 / 3) + 1])
    assert encoder.projection_WD.shape == (2, 1)


def test_a_projection_of_full_rank_keeps_all_likenesses() -> None:
    tokens = [item_tokens(title, category, None) for title, category in TITLES.values()]
    encoder = fit_encoder(tokens, SPEC.model_copy(update={"dimension": 96}))
    assert encoder is not None
    vocabulary = encoder.vocabulary
    plain = np.zeros((len(tokens), len(vocabulary)))
    for row, words in enumerate(tokens):
        for word in set(words) & set(vocabulary):
            plain[row, vocabulary[word]] = (1 + math.log(words.count(word))) * encoder.idf_W[vocabulary[word]]
    plain /= np.maximum(np.linalg.norm(plain, axis=1, keepdims=True), 1e-9)
    vectors = np.stack([encoder.encode(words) for words in tokens])
    known = plain.any(axis=1)
    assert known.sum() == 6, "the bag shares no word"
    # One direction is lost (the truncated decomposition gives one less than all): near, not equal.
    assert (vectors @ vectors.T)[np.ix_(known, known)] == pytest.approx(
        (plain @ plain.T)[np.ix_(known, known)], abs=0.15
    )
    assert np.linalg.norm(vectors[known], axis=1) == pytest.approx(np.ones(6), abs=1e-6)


def test_few_texts_give_no_source() -> None:
    for titles in ([], ["Tea"], ["Tea", "Cup"], ["Tea", "Tea"]):
        items = [Item(item_id=str(number), title=title) for number, title in enumerate(titles)]
        assert fit_content("content", SPEC, snapshot_of([Line(1, "u", "x")], items, day=5), SIGNALS) == []


def test_the_commonest_tokens_are_kept() -> None:
    tokens = [["a", "b", "c"], ["a", "b"], ["a", "b"], ["a", "c"]]
    encoder = fit_encoder(tokens, SPEC.model_copy(update={"max_tokens": 2}))
    assert encoder is not None
    assert set(encoder.vocabulary) == {"a", "b"}


def test_a_catalogue_of_few_words_gives_the_same_encoder_each_time() -> None:
    tokens = [item_tokens(title, [], None) for title in ["round thing", "square thing"] * 6]
    encoders = [fit_encoder(tokens, SPEC.model_copy(update={"dimension": 4})) for _ in range(3)]
    assert all(encoder is not None for encoder in encoders)
    first, *others = [encoder.projection_WD for encoder in encoders if encoder is not None]
    assert first.shape[1] == 2, "two texts, two directions"
    assert all(np.array_equal(first, other) for other in others)
