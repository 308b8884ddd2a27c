"""DCN: a cross network whose size grows with its inputs, not with their pairs."""

from __future__ import annotations

import pytest
import torch

from aisle.models.ranking import DCN
from tests.contracts.rankers import scrambled
from tests.rankers import generator, make_embeddings


def _make(cross_layers: int = 2, deep_layers: tuple[int, ...] = (8,)) -> DCN:
    embeddings = make_embeddings(4)
    return DCN(embeddings, num_dense=3, cross_layers=cross_layers, deep_layers=deep_layers, generator=generator())


def test_the_number_of_parameters_is_that_of_the_paper() -> None:
    size = 2 * 4 + 3
    expected = 2 * 2 * size + (size * 8 + 8) + (size + 8 + 1)  # cross: inputs x layers x 2
    assert sum(one.numel() for one in _make().parameters()) - (12 + 7) * 4 == expected


def test_the_score_from_its_parts() -> None:
    model = scrambled(_make(1))
    dense, embedded = torch.randn(4, 3, generator=generator(1)), torch.randn(4, 2, 4, generator=generator(2))
    inputs = torch.cat([embedded.view(4, 8), dense], dim=1)
    layer = model.cross.layers[0]
    crossed = inputs * (inputs @ layer.weight_I)[:, None] + layer.bias_I + inputs
    expected = model.logit(torch.cat([crossed, model.deep(inputs)], dim=1))[:, 0]
    torch.testing.assert_close(model.score(dense, embedded), expected)


def test_no_cross_or_no_deep_layer_is_refused() -> None:
    for sizes in ((0, (8,)), (1, ())):
        with pytest.raises(ValueError, match="a cross layer and a deep layer at least"):
            _make(*sizes)
