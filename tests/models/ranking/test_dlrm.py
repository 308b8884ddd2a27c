"""DLRM: its parts, its size, and what it can learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from aisle.models import Ranker
from aisle.models.ranking import DLRM
from aisle.nn.sparse import SparseFeatures
from aisle.train.engine.batches import RankerRows
from aisle.train.engine.loop import train_ranker
from aisle.train.engine.loop_settings import LoopSettings
from tests.rankers import generator, make_dlrm, make_embeddings


def _parameters(model: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def test_the_number_of_parameters_is_that_of_the_paper_s_parts() -> None:
    model = DLRM(make_embeddings(4), num_dense=3, dense_layers=(8,), over_layers=(16,), generator=generator())
    tables = (12 + 7) * 4
    dense_arch = (3 * 8 + 8) + (8 * 4 + 4)
    over_in = 4 + 3  # the dense vector, and the pairs of three vectors
    over_arch = (over_in * 16 + 16) + (16 + 1)
    assert _parameters(model) == tables + dense_arch + over_arch
    cat = DLRM(
        make_embeddings(4), num_dense=3, dense_layers=(8,), over_layers=(16,), interaction="cat", generator=generator()
    )
    assert _parameters(cat) == tables + dense_arch + (3 * 4 * 16 + 16) + (16 + 1)
    # raw dense: 3 more inputs of 16; the skip: 3 weights and a bias
    assert _parameters(make_dlrm()) == tables + dense_arch + over_arch + 3 * 16 + 4


def test_the_score_is_computed_as_by_hand() -> None:
    model = DLRM(
        make_embeddings(4), num_dense=3, dense_layers=(), over_layers=(), linear_skip=True, generator=generator()
    )
    dense, sparse = torch.tensor([[0.5, -1.0, 2.0]]), SparseFeatures(torch.tensor([[3, 4]]))
    first, second = model.embeddings.rows_of("t0")[3], model.embeddings.rows_of("t1")[4]
    query = torch.relu(model.dense_arch.layers[0](dense))[0]
    inputs = torch.cat([query, torch.stack([first @ query, second @ query, second @ first])])
    expected = model.over_arch.layers[0](inputs) + model.skip(dense)[0]
    torch.testing.assert_close(model(dense, sparse), expected)


def test_it_is_a_ranker_whose_forward_is_the_score_of_what_it_looks_up() -> None:
    model = make_dlrm()
    assert isinstance(model, Ranker)
    dense, sparse = torch.randn(6, 3, generator=generator()), SparseFeatures(torch.randint(2, 7, (6, 2)))
    logits = model(dense, sparse)
    assert logits.shape == (6,)
    assert torch.equal(logits, model.score(dense, model.embeddings(sparse)))


def test_a_batch_gives_what_its_examples_give_alone() -> None:
    model = make_dlrm().eval()
    dense, ids = torch.randn(9, 3, generator=generator()), torch.randint(2, 7, (9, 2), generator=generator())
    with torch.no_grad():
        together = model(dense, SparseFeatures(ids))
        alone = torch.cat([model(dense[n : n + 1], SparseFeatures(ids[n : n + 1])) for n in range(9)])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)


def test_first_weights_depend_on_the_generators_alone() -> None:
    one = make_dlrm(4).state_dict()
    torch.rand(5)
    other = make_dlrm(4).state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert not torch.equal(one["over_arch.layers.0.weight"], make_dlrm(5).state_dict()["over_arch.layers.0.weight"])


def test_it_learns_a_tiny_set_by_heart() -> None:
    draw = np.random.default_rng(1)
    rows = RankerRows(
        draw.normal(size=(32, 3)).astype(np.float32),
        draw.integers(2, 7, (32, 2)),
        draw.integers(0, 2, 32).astype(np.float32),
        np.ones(32, np.float32),
    )
    fit = train_ranker(
        make_dlrm(), rows, rows, LoopSettings(batch_size=32, num_epochs=300, learning_rate=0.02, patience=300)
    )
    assert fit.best is not None and fit.best.log_loss < 0.02 and fit.best.auc == 1.0


def test_it_learns_a_product_of_two_ids_that_no_linear_model_can() -> None:
    draw = np.random.default_rng(2)
    ids = draw.integers(2, 6, (400, 2))
    label = ((ids[:, 0] + ids[:, 1]) % 2).astype(np.float32)
    rows = RankerRows(np.zeros((400, 3), np.float32), ids, label, np.ones(400, np.float32))
    fit = train_ranker(
        make_dlrm(), rows, rows, LoopSettings(batch_size=100, num_epochs=60, learning_rate=0.02, patience=60)
    )
    assert fit.best is not None and fit.best.auc == 1.0


def test_what_it_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one dense feature"):
        DLRM(make_embeddings(4), num_dense=0, generator=generator())
    with pytest.raises(ValueError, match="dot or cat"):
        DLRM(make_embeddings(4), num_dense=1, interaction="sum", generator=generator())  # type: ignore[arg-type]
