"""Fields: every candidate feature has one that says what it speaks of."""

from __future__ import annotations

from collections import Counter

from aisle.features.fields import _FIELDS, fields_of
from tests.features.test_candidates import featurizer

KINDS = {"ease": "ease", "popular": "popularity"}


def test_every_candidate_feature_has_a_field_of_the_table() -> None:
    names = [*featurizer().names, "item", "category", "brand"]
    found = dict(zip(names, fields_of(names, KINDS), strict=True))
    of_sources = {"score of ease", "score of popularity", "rank of ease", "rank of popularity"}
    assert set(found.values()) == {field for _, field in _FIELDS} | of_sources
    assert max(Counter(found.values()).values()) <= 10, "a field of everything would tell nothing apart"


def test_known_features_stand_where_they_belong() -> None:
    names = ["item", "item_log_price", "user_log_price", "user_last", "own_last", "own_due_of_item", "brand_share"]
    fields = ["item", "price", "price", "user rhythm", "own age", "own interval", "group"]
    assert fields_of(names, {}) == fields


def test_sources_of_one_kind_share_their_fields() -> None:
    names = ["score_popular_5d", "rank_popular_5d", "score_popular_60d", "score_price"]
    kinds = {"popular_5d": "popularity", "popular_60d": "popularity"}
    assert fields_of(names, kinds) == [
        *("score of popularity", "rank of popularity", "score of popularity"),
        "score_price",  # what nothing is known of is a field by itself
    ]
