"""Embedding collections: layout, unknown ids, bags, and parity of torch with NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from aisle.nn.embeddings import EmbeddingBagCollection, EmbeddingBagConfig
from aisle.nn.sparse import KeyedJaggedTensor, SparseFeatures
from aisle.pipeline.embedding_lookup import JaggedIds
from tests.rankers import generator, make_embeddings


def _with_bags() -> EmbeddingBagCollection:
    tables = [
        EmbeddingBagConfig(
            name="item", num_embeddings=6, embedding_dim=3, feature_names=("item",), bag_names=("history",)
        ),
        EmbeddingBagConfig(name="tag", num_embeddings=5, embedding_dim=3, bag_names=("tags",), pooling="sum"),
        EmbeddingBagConfig(name="user", num_embeddings=4, embedding_dim=3, feature_names=("user",)),
    ]
    return EmbeddingBagCollection(tables, generator=generator())


def test_each_feature_reads_its_own_table() -> None:
    embeddings = make_embeddings(4)
    embedded = embeddings(SparseFeatures(torch.tensor([[2, 3], [11, 6]])))
    assert embedded.shape == (2, 2, 4)
    assert torch.equal(embedded[0, 0], embeddings.rows_of("t0")[2])
    assert torch.equal(embedded[1, 1], embeddings.rows_of("t1")[6])


def test_an_id_outside_its_table_is_the_unknown_one_in_training_and_in_serving() -> None:
    embeddings = make_embeddings(4)
    outside, unknown = torch.tensor([[12, -1]]), torch.tensor([[1, 1]])
    assert torch.equal(embeddings(SparseFeatures(outside)), embeddings(SparseFeatures(unknown)))
    lookup = embeddings.serving_half()
    assert np.array_equal(lookup.lookup(outside.numpy()), lookup.lookup(unknown.numpy()))


def test_rounded_vectors_are_those_that_autocast_would_round() -> None:
    embeddings = make_embeddings(4)
    sparse = SparseFeatures(torch.tensor([[2, 3], [1, 0]]))
    plain = embeddings(sparse)
    assert torch.equal(embeddings(sparse, rounded=True), plain)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(embeddings(sparse), plain)
        rounded = embeddings(sparse, rounded=True)
    assert rounded.dtype == torch.bfloat16
    assert torch.equal(rounded, plain.bfloat16())


def test_bags_are_pooled_as_by_hand() -> None:
    embeddings = _with_bags()
    item, tag = embeddings.rows_of("item"), embeddings.rows_of("tag")
    # history: [2, 3] and []; tags: [4] and [2, 2]
    bags = KeyedJaggedTensor.from_lengths(
        ("history", "tags"), torch.tensor([2, 3, 4, 2, 2]), torch.tensor([2, 0, 1, 2])
    )
    embedded = embeddings(SparseFeatures(torch.tensor([[2, 3], [5, 2]]), bags)).detach()
    assert embeddings.feature_names == ["item", "user"] and embeddings.bag_names == ["history", "tags"]
    torch.testing.assert_close(embedded[0, 2], (item[2] + item[3]) / 2)
    assert embedded[1, 2].tolist() == [0, 0, 0]
    torch.testing.assert_close(embedded[0, 3], tag[4])
    torch.testing.assert_close(embedded[1, 3], 2 * tag[2])


def test_torch_and_numpy_look_up_the_same() -> None:
    embeddings = _with_bags()
    draw = np.random.default_rng(3)
    ids = draw.integers(0, 8, (20, 2))
    lengths = draw.integers(0, 4, 40)
    values = draw.integers(0, 8, lengths.sum())
    bags = KeyedJaggedTensor.from_lengths(("history", "tags"), torch.from_numpy(values), torch.from_numpy(lengths))
    jagged = []
    for key in bags.keys:
        part, starts = bags.key(key)
        jagged.append(JaggedIds(part.numpy(), np.append(starts.numpy(), len(part))))
    eager = embeddings(SparseFeatures(torch.from_numpy(ids), bags)).detach().numpy()
    np.testing.assert_allclose(embeddings.serving_half().lookup(ids, jagged), eager, rtol=0, atol=1e-6)


def test_first_weights_depend_on_the_generator_alone_and_on_the_table_s_size() -> None:
    one = make_embeddings(4, seed=5)
    torch.rand(3)
    assert torch.equal(one.table.weight, make_embeddings(4, seed=5).table.weight)
    assert 0.8 * 12**-0.5 < one.rows_of("t0").abs().max() <= 12**-0.5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"embedding_dim": 4}, "one width"),
        ({"num_embeddings": 1}, "rows for padding"),
        ({"feature_names": ()}, "at least one feature"),
        ({"name": "a"}, "each name once"),
        ({"feature_names": ("f",)}, "each name once"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, object], message: str) -> None:
    first = EmbeddingBagConfig(name="a", num_embeddings=3, embedding_dim=2, feature_names=("f",))
    fields: dict[str, object] = {"name": "b", "num_embeddings": 3, "embedding_dim": 2, "feature_names": ("g",)}
    with pytest.raises(ValueError, match=message):
        EmbeddingBagCollection([first, EmbeddingBagConfig(**{**fields, **change})], generator=generator())


def test_missing_bags_and_columns_are_named() -> None:
    with pytest.raises(ValueError, match="history"):
        _with_bags()(SparseFeatures(torch.zeros(2, 2, dtype=torch.int64)))
    with pytest.raises(ValueError, match=r"ids \[K, 2\]"):
        make_embeddings(4).serving_half().lookup(np.zeros((2, 3), np.int64))
