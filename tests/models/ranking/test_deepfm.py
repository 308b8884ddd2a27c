"""DeepFM: a factorization machine and an MLP over the same vectors, added."""

from __future__ import annotations

import torch

from aisle.models.ranking import FM, DeepFM
from tests.contracts.rankers import scrambled
from tests.rankers import generator, make_embeddings


def test_it_is_a_factorization_machine_and_an_mlp_over_the_same_vectors() -> None:
    model = scrambled(DeepFM(make_embeddings(5), num_dense=3, deep_layers=(8,), generator=generator())).eval()
    machine = FM(make_embeddings(5), num_dense=3, generator=generator()).eval()
    machine.load_state_dict({name: value for name, value in model.state_dict().items() if "deep" not in name})
    dense, embedded = torch.randn(4, 3, generator=generator(1)), torch.randn(4, 2, 5, generator=generator(2))
    numbers = dense[:, :, None] * model.fields.numeric.vector_ND
    deep = model.deep(torch.cat([embedded[:, :, :4].reshape(4, 8), numbers.reshape(4, 12)], dim=1))
    torch.testing.assert_close(model.score(dense, embedded), machine.score(dense, embedded) + deep[:, 0])
