"""The benchmark of an epoch: what peers are given, and what is left out."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import epoch_peers, epoch_speed


@pytest.fixture
def rows() -> epoch_peers.Rows:
    """Ten rows whose number is their first id."""
    ids = np.stack([np.arange(10), np.arange(10) % 2], axis=1)
    return epoch_peers.Rows(np.ones((10, 3), np.float32), ids, (ids[:, 1] == 0).astype(np.float32), [10, 2], 4)


def test_an_epoch_has_each_row_once(rows: epoch_peers.Rows) -> None:
    batches = list(rows.batches())
    assert [len(label) for _, _, label in batches] == [4, 4, 2]
    ids = np.concatenate([sparse[:, 0].numpy() for _, sparse, _ in batches])
    assert sorted(ids) == list(range(10))
    for _, sparse, label in batches:
        assert ((sparse[:, 1] == 0) == label.bool()).all()


def test_a_peer_that_is_not_there_is_an_import_error(rows: epoch_peers.Rows) -> None:
    with pytest.raises(ImportError, match="no clone"):
        epoch_peers.facebook_dlrm(rows, None)


def test_every_model_has_a_recipe_and_a_peer() -> None:
    for kind, overrides in epoch_speed.MODELS.items():
        recipe = epoch_speed._recipe(*overrides)
        assert (recipe.model.kind, recipe.training.batch_size) == (kind, epoch_speed.BATCH_SIZE)
        assert epoch_peers.PEERS[kind]
