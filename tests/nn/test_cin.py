"""The compressed interaction network against the sums of its paper."""

from __future__ import annotations

import pytest
import torch

from aisle.nn.cin import CompressedInteraction
from tests.rankers import generator


def test_maps_are_the_sums_of_equation_6_and_pooled_by_equation_7() -> None:
    network = CompressedInteraction(3, (4, 2), generator=generator())
    fields = torch.randn(5, 3, 6, generator=generator(1))
    before, pooled = fields, []
    for weight in network.weights_LGH:
        maps = []
        for h in range(weight.shape[2]):
            pairs = [weight[i, j, h] * before[:, i] * fields[:, j] for i in range(before.shape[1]) for j in range(3)]
            maps.append(torch.stack(pairs).sum(dim=0))
        before = torch.stack(maps, dim=1)
        pooled.append(before.sum(dim=2))
    torch.testing.assert_close(network(fields), torch.cat(pooled, dim=1))
    assert network.out_size == 6


def test_no_layer_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one layer"):
        CompressedInteraction(3, (), generator=generator())
