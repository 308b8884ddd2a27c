"""What a recipe says of embedding tables: which kind and size each gets, and equal bytes."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from aisle.errors import ConfigError
from aisle.nn.embeddings import EmbeddingBagCollection, EmbeddingBagConfig
from aisle.nn.tables import kind_of
from aisle.recipe import parse_strict
from aisle.recipe.tables import TablesSpec

SIZES = {"country": 12, "user": 10_000, "item": 40_000}
KINDS = ["hashed", "thresholded", "quotient-remainder", "low-rank"]


def tables(**document: object) -> TablesSpec:
    return parse_strict(TablesSpec, document, "recipe")


def test_all_tables_are_full_unless_a_recipe_says_otherwise() -> None:
    spec = tables()
    assert {kind.kind for kind in spec.resolve(SIZES).values()} == {"full"}
    assert spec.num_bytes(SIZES) == 4 * 16 * 50_012


@pytest.mark.parametrize(
    ("kind", "number", "user", "item"),
    [
        ({"kind": "hashed", "share": 0.1}, "num_buckets", 998, 3998),
        ({"kind": "hashed", "num_buckets": 500}, "num_buckets", 500, 500),
        ({"kind": "thresholded", "share": 0.01}, "num_kept", 98, 398),
        ({"kind": "quotient-remainder"}, "modulus", 100, 200),
        # 1,000 rows: 990 and ceil(10,000 / 990) = 11 make 1,001, 989 and 11 make 1,000.
        ({"kind": "quotient-remainder", "share": 0.1}, "modulus", 989, 3989),
        ({"kind": "quotient-remainder", "modulus": 64, "combine": "add"}, "modulus", 64, 64),
        ({"kind": "quotient-remainder", "share": 1e-6}, "modulus", 100, 200),
        # 0.25 * 10,000 * 16 numbers in columns of 10,000 + 16
        ({"kind": "low-rank", "share": 0.25}, "width", 3, 3),
        ({"kind": "low-rank", "share": 1e-6}, "width", 1, 1),
        # 16 / 10,000 ** 0.25 = 1.6, 16 / 40,000 ** 0.25 = 1.13
        ({"kind": "low-rank", "temperature": 0.25}, "width", 2, 1),
        ({"kind": "low-rank", "width": 64}, "width", 64, 64),
    ],
)
def test_large_tables_are_compressed_and_small_ones_stay_full(
    kind: dict[str, object], number: str, user: int, item: int
) -> None:
    resolved = tables(kind=kind).resolve(SIZES)
    assert resolved["country"].kind == "full"
    assert (getattr(resolved["user"], number), getattr(resolved["item"], number)) == (user, item)
    assert resolved["user"].kind == kind["kind"]


def test_a_table_that_would_not_become_smaller_stays_full_unless_it_is_named() -> None:
    kind = {"kind": "hashed", "num_buckets": 20_000}
    resolved = tables(kind=kind).resolve(SIZES)
    assert (resolved["user"].kind, resolved["item"].kind) == ("full", "hashed")
    named = tables(by_feature={"user": kind}).resolve(SIZES)
    assert (named["user"].kind, named["item"].kind) == ("hashed", "full")


def test_compress_from_says_from_which_size_on() -> None:
    kind = {"kind": "hashed", "share": 0.5}
    by_limit = {limit: tables(kind=kind, compress_from=limit).resolve(SIZES) for limit in (0, 12, 13, 10_001)}
    compressed = {limit: [name for name, one in by.items() if one.kind == "hashed"] for limit, by in by_limit.items()}
    everything = ["country", "user", "item"]
    assert compressed == {0: everything, 12: everything, 13: ["user", "item"], 10_001: ["item"]}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"kind": {"kind": "hashed"}}, "expected one of num_buckets, share, received none"),
        ({"kind": {"kind": "low-rank", "share": 0.5, "width": 2}}, "received width and share"),
        ({"kind": {"kind": "quotient-remainder", "combine": "xor"}}, "combine"),
        ({"kind": {"kind": "hashd"}}, "hashd"),
        ({"kind": {"kind": "hashed", "num_bucket": 3}}, "did you mean 'num_buckets'"),
    ],
)
def test_what_a_recipe_cannot_mean_is_refused(document: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        tables(**document)


def test_an_unknown_feature_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="unknown feature 'items', did you mean 'item'"):
        tables(by_feature={"items": {"kind": "full"}}).resolve(SIZES)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("num_bytes", [100_000, 400_000, 1_600_000])
def test_equal_bytes_of_every_kind(kind: str, num_bytes: int) -> None:
    spec = tables(kind={"kind": kind, "share": 1.0} if kind != "quotient-remainder" else {"kind": kind})
    if kind == "low-rank" and num_bytes < 4 * (12 * 16 + 10_016 + 40_016):
        with pytest.raises(ConfigError, match="expected at least 200896 bytes for low-rank"):
            spec.within(num_bytes, SIZES)
        return
    found = spec.within(num_bytes, SIZES)
    # A step is a row of each table, but for low-rank ones a column of the longest.
    step = 4 * 40_016 if kind == "low-rank" else 4 * 16 * 4
    assert num_bytes - step <= found.num_bytes(SIZES) <= num_bytes
    assert parse_strict(TablesSpec, found.model_dump(), "written") == found


def test_a_budget_for_all_full_tables_leaves_them_full() -> None:
    found = tables(kind={"kind": "hashed", "share": 0.1}).within(10**9, SIZES)
    assert {one.kind for one in found.resolve(SIZES).values()} == {"full"}


def test_a_budget_needs_a_kind_and_enough_bytes() -> None:
    with pytest.raises(ConfigError, match="received full"):
        tables().within(10**6, SIZES)
    with pytest.raises(ConfigError, match="expected at least 39168 bytes for quotient-remainder"):
        tables(kind={"kind": "quotient-remainder"}).within(10_000, SIZES)  # 12, 100 + 100 and 200 + 200 rows of 16


@given(
    rows=st.integers(2, 5000),
    width=st.integers(2, 40),
    share=st.floats(0.001, 1),
    kind=st.sampled_from(KINDS),
    combine=st.sampled_from(["mult", "add", "concat"]),
)
def test_recipes_count_what_is_trained(rows: int, width: int, share: float, kind: str, combine: str) -> None:
    document: dict[str, object] = {"kind": kind, "share": share}
    if kind == "quotient-remainder":
        document["combine"] = combine
    spec = tables(kind=document, embedding_dim=width, compress_from=0)
    resolved = spec.resolve({"f": rows})["f"]
    table = EmbeddingBagConfig(
        name="f", num_embeddings=rows, embedding_dim=width, feature_names=("f",), kind=kind_of(resolved)
    )
    embeddings = EmbeddingBagCollection([table], generator=torch.Generator())
    assert [size.num_bytes for size in embeddings.sizes()] == [spec.num_bytes({"f": rows})]
    assert spec.num_bytes({"f": rows}) <= 4 * rows * width


def test_another_width_is_counted_where_a_model_looks_up_one() -> None:
    spec = tables(kind={"kind": "quotient-remainder", "share": 0.1, "combine": "concat"})
    assert spec.num_bytes({"f": 10_000}, width=17) <= 0.1 * 4 * 17 * 10_000 < spec.num_bytes({"f": 10_000}, 17) + 4 * 17
    assert tables().num_bytes({"f": 10}, width=17) == 4 * 17 * 10


HISTORY_SIZES = {"item": 40_000, "user": 100, "history_1": 40_000, "history_2": 40_000}


def test_features_share_a_table() -> None:
    spec = tables(shared={"item": ["history_1..history_2"]})
    assert spec.features_of(list(HISTORY_SIZES)) == {"item": ["item", "history_1", "history_2"], "user": ["user"]}
    assert spec.num_bytes(HISTORY_SIZES) == 4 * 16 * 40_100
    assert list(spec.resolve(HISTORY_SIZES)) == ["item", "user"]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"shared": {"itme": ["history_1"]}}, "tables.shared: unknown feature 'itme', did you mean 'item'"),
        ({"shared": {"item": ["history_3"]}}, "tables.shared.item: unknown column 'history_3'"),
        ({"shared": {"item": ["item"]}}, "tables.shared.item: expected 'item' to share one table"),
        ({"shared": {"item": ["history_*"], "user": ["history_1"]}}, "shared.user: expected 'history_1' to share one"),
        ({"shared": {"item": ["user"], "user": ["history_1"]}}, "shared.user: .* and 'user' to have its own"),
        ({"shared": {"item": ["history_*"]}, "by_feature": {"history_1": {"kind": "full"}}}, "unknown feature 'hist"),
    ],
)
def test_what_cannot_be_shared_is_refused(document: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        tables(**document).resolve(HISTORY_SIZES)
