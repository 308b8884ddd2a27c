"""DLRM over fields: a forward worked by hand, and what it refuses."""

from __future__ import annotations

import pytest
import torch

from aisle.models import Ranker
from aisle.models.ranking import FieldDLRM
from aisle.nn.embeddings import EmbeddingBagCollection, EmbeddingBagConfig
from aisle.nn.sparse import SparseFeatures
from tests.rankers import generator, make_embeddings


def _by_hand() -> FieldDLRM:
    """Two dense features in fields 0 and 1, one id in field 1, vectors of one number and a weight."""
    table = EmbeddingBagConfig(name="item", num_embeddings=3, embedding_dim=2, feature_names=("item",))
    embeddings = EmbeddingBagCollection([table], generator=generator())
    model = FieldDLRM(
        embeddings, dense_fields=[0, 1], sparse_fields=[1], dense_layers=(), over_layers=(), generator=generator()
    )
    with torch.no_grad():
        embeddings.rows_of("item")[2] = torch.tensor([0.5, 0.25])
        model.numeric_ND.copy_(torch.tensor([[2.0], [3.0]]))
        model.bias_GD.copy_(torch.tensor([[0.1], [0.2]]))
        for layer, weights, bias in (
            (model.dense_arch.layers[0], [1.0, 1.0], 0.0),
            (model.over_arch.layers[0], [1.0, 1.0, 1.0, 1.0, 10.0, 100.0], 0.5),
            (model.first_order, [0.01, 0.02], 0.0),
        ):
            layer.weight.copy_(torch.tensor([weights]))  # type: ignore[operator, union-attr]
            layer.bias.fill_(bias)  # type: ignore[operator, union-attr]
    return model


def test_the_score_worked_by_hand() -> None:
    # The dense arch gives 1 + 2 = 3; field 0 is 1 * 2 + 0.1, field 1 is 2 * 3 + 0.5 + 0.2.
    dense, first, second = 3.0, 2.1, 6.7
    over = dense + (dense * first + dense * second + first * second) + 10 * 1 + 100 * 2 + 0.5
    first_order = 0.01 * 1 + 0.02 * 2 + 0.25
    score = _by_hand()(torch.tensor([[1.0, 2.0]]), SparseFeatures(torch.tensor([[2]])))
    assert score.tolist() == pytest.approx([over + first_order], rel=1e-6)


def test_an_id_weighs_nothing_by_itself_before_training() -> None:
    model = FieldDLRM(make_embeddings(5), dense_fields=[0, 1, 0], sparse_fields=[2, 1], generator=generator())
    weights = model.embeddings.table.weight.detach()
    assert weights[:, 4].eq(0).all()
    assert float(weights[:, :4].std()) == pytest.approx(0.05, rel=0.2)


def test_features_of_one_field_add_up_and_fields_interact() -> None:
    """With both ids in one field the score depends on the sum of their vectors alone."""
    model = FieldDLRM(make_embeddings(4), dense_fields=[0, 1, 0], sparse_fields=[2, 2], generator=generator()).eval()
    dense_B3, embedded_B24 = torch.randn(2, 3, generator=generator()), torch.randn(2, 2, 4, generator=generator())
    swapped = embedded_B24.flip(1)
    torch.testing.assert_close(model.score(dense_B3, embedded_B24), model.score(dense_B3, swapped))
    apart = FieldDLRM(make_embeddings(4), dense_fields=[0, 1, 0], sparse_fields=[2, 1], generator=generator()).eval()
    assert not torch.allclose(apart.score(dense_B3, embedded_B24), apart.score(dense_B3, swapped))


def test_it_is_a_ranker_and_a_batch_gives_what_its_examples_give_alone() -> None:
    model = FieldDLRM(
        make_embeddings(5), dense_fields=[0, 1, 0], sparse_fields=[2, 1], dropout=0.5, generator=generator()
    ).eval()
    assert isinstance(model, Ranker)
    dense, ids = torch.randn(9, 3, generator=generator()), torch.randint(2, 7, (9, 2), generator=generator())
    with torch.no_grad():
        together = model(dense, SparseFeatures(ids))
        alone = torch.cat([model(dense[n : n + 1], SparseFeatures(ids[n : n + 1])) for n in range(9)])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("width", "dense_fields", "sparse_fields", "received"),
    [
        (4, [0], [0], "received 1 fields, 4 numbers and 1 dense features"),
        (1, [0], [0, 1], "received 2 fields, 1 numbers and 1 dense features"),
        (4, [], [0, 1], "received 2 fields, 4 numbers and 0 dense features"),
    ],
)
def test_what_does_not_fit_is_refused(
    width: int, dense_fields: list[int], sparse_fields: list[int], received: str
) -> None:
    with pytest.raises(ValueError, match=received):
        FieldDLRM(make_embeddings(width), dense_fields=dense_fields, sparse_fields=sparse_fields, generator=generator())
