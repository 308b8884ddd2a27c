"""NFM: without hidden layers and with weights of 1 it is a factorization machine."""

from __future__ import annotations

import torch

from aisle.models.ranking import FM, NFM
from tests.contracts.rankers import scrambled
from tests.rankers import generator, make_embeddings


def test_without_hidden_layers_it_is_a_factorization_machine() -> None:
    """As section 3.3 of the paper says."""
    model = scrambled(NFM(make_embeddings(5), num_dense=3, deep_layers=(), generator=generator()))
    with torch.no_grad():
        model.deep.layers[0].weight.fill_(1)
        model.deep.layers[0].bias.zero_()
    machine = FM(make_embeddings(5), num_dense=3, generator=generator())
    machine.load_state_dict({name: value for name, value in model.state_dict().items() if "deep" not in name})
    dense, embedded = torch.randn(4, 3, generator=generator(1)), torch.randn(4, 2, 5, generator=generator(2))
    torch.testing.assert_close(model.score(dense, embedded), machine.score(dense, embedded))
