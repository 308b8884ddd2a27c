"""MaskNet: what a block computes, and how blocks stand."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from aisle.models.ranking import MaskNet
from aisle.models.ranking.masknet import FieldNorm, MaskBlock
from tests.contracts.rankers import scrambled
from tests.rankers import generator, make_embeddings


def _make(**fields: Any) -> MaskNet:
    fields = {"blocks": (4, 6), "deep_layers": (5,)} | fields
    return scrambled(MaskNet(make_embeddings(4), num_dense=3, generator=generator(), **fields))


def test_a_block_written_out() -> None:
    block = MaskBlock(3, 5, 4, 2, generator=generator())
    guide, inputs = torch.randn(6, 3, generator=generator(1)), torch.randn(6, 4, generator=generator(2))
    first, last = block.mask.layers[0], block.mask.layers[2]
    mask = torch.relu(guide @ first.weight.T + first.bias) @ last.weight.T + last.bias
    hidden = (inputs * mask) @ block.linear.weight.T + block.linear.bias
    mean, deviation = hidden.mean(dim=1, keepdim=True), hidden.var(dim=1, unbiased=False, keepdim=True)
    torch.testing.assert_close(block(guide, inputs), torch.relu((hidden - mean) / (deviation + 1e-5).sqrt()))


def test_fields_are_normalized_each_by_itself() -> None:
    norm = FieldNorm(2, 2)
    fields = torch.tensor([[[1.0, 3.0], [200.0, 100.0]]])
    torch.testing.assert_close(norm(fields), torch.tensor([[[-1.0, 1.0], [1.0, -1.0]]]), atol=1e-4, rtol=0)


def test_parallel_and_serial_from_their_blocks() -> None:
    dense, embedded = torch.randn(4, 3, generator=generator(1)), torch.randn(4, 2, 4, generator=generator(2))
    for structure in ("parallel", "serial"):
        model = _make(structure=structure)
        fields = model.fields(dense, embedded)
        guide, normalized = fields.flatten(1), model.norm(fields).flatten(1)
        first = model.blocks[0](guide, normalized)
        if structure == "parallel":
            hidden = torch.cat([first, model.blocks[1](guide, normalized)], dim=1)
        else:
            hidden = model.blocks[1](guide, first)
        torch.testing.assert_close(model.score(dense, embedded), model.deep(hidden)[:, 0])


@pytest.mark.parametrize("fields", [{"blocks": ()}, {"structure": "both"}])
def test_what_it_cannot_be_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="at least one block, parallel or serial"):
        _make(**fields)
