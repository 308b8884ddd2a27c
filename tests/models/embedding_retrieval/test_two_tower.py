"""The two towers: unit vectors, content where the id is unknown, pools by hand."""

from __future__ import annotations

import pytest
import torch

from aisle.models.embedding_retrieval import TwoTower


def model_of(seed: int = 0) -> TwoTower:
    facts = torch.tensor([[0.0, 0.0], [0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    generator = torch.Generator().manual_seed(seed)
    return TwoTower(facts, num_pools=2, num_query_facts=1, id_dim=3, dim=4, hidden=[5], generator=generator)


def test_vectors_have_length_1() -> None:
    rows = torch.arange(5)
    lengths = model_of().item_vectors(rows, rows).norm(dim=1)
    torch.testing.assert_close(lengths, torch.ones(5))


def test_an_unknown_id_leaves_the_content() -> None:
    model = model_of()
    unknown = torch.ones(2, dtype=torch.long)
    one, other = model.item_vectors(torch.tensor([2, 4]), unknown)
    torch.testing.assert_close(one, other, msg="items of one content are one without their ids")
    known = model.item_vectors(torch.tensor([2, 4]), torch.tensor([2, 4]))
    assert not torch.allclose(known[0], known[1])
    assert not torch.allclose(one, model.item_vectors(torch.tensor([3]), unknown[:1])[0])


def test_queries_are_weighted_sums_of_ids_and_facts() -> None:
    model = model_of()
    rows = torch.tensor([2, 3, 3])
    weights = torch.tensor([[0.25, 0.75, 1.0], [0.5, 0.5, 1.0]])
    query_facts = torch.tensor([[0.1], [0.2]])
    vectors = model.query_vectors(rows, rows, torch.tensor([0, 2]), weights, query_facts)
    ids, facts = model.ids_VE, model.facts_VF
    parts = [ids[2] * 0.25 + ids[3] * 0.75, torch.tensor([0.25, 0.75]), (ids[2] + ids[3]) / 2, torch.tensor([0.5, 0.5])]
    torch.testing.assert_close(vectors[:1], model.query_tower(torch.cat([*parts, query_facts[0]])[None]))
    alone = torch.cat([ids[3], facts[3], ids[3], facts[3], query_facts[1]])[None]
    torch.testing.assert_close(vectors[1:], model.query_tower(alone))


@pytest.mark.parametrize("seed", [0, 1])
def test_first_weights_depend_on_the_seed_alone(seed: int) -> None:
    torch.manual_seed(5)
    one = model_of(seed).state_dict()
    torch.manual_seed(6)
    other = model_of(seed).state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert not torch.equal(one["ids_VE"], model_of(seed + 2).state_dict()["ids_VE"])
