"""An MLP in bfloat16 as one step of autograd: autocast over its layers says what is right."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from aisle.nn.mlp import MLP
from aisle.nn.short_layers import can_be_short, has_fused_linear
from tests.rankers import generator

pytestmark = pytest.mark.skipif(not has_fused_linear(), reason="oneDNN has no bfloat16 on this processor")


def train(mlp: MLP, examples: Tensor, *, at_once: bool) -> tuple[Tensor, list[Tensor]]:
    """The outputs under autocast, and the gradients of all parameters and of the examples, if they need one."""
    mlp.zero_grad()
    examples.grad = None
    with torch.autocast("cpu", torch.bfloat16):
        assert can_be_short(examples, list(mlp.layers))
        outputs = mlp(examples) if at_once else mlp.layers(examples)
    assert outputs.dtype == torch.bfloat16
    (outputs.float() * torch.linspace(-1, 2, outputs.numel()).view(outputs.shape)).sum().backward()
    leaves = [*mlp.parameters(), *([examples] if examples.requires_grad else [])]
    gradients = [leaf.grad for leaf in leaves if leaf.grad is not None]
    assert len(gradients) == len(leaves)
    assert {gradient.dtype for gradient in gradients} == {torch.float32}
    return outputs.detach(), gradients


@pytest.mark.parametrize("last_activation", [False, True])
@pytest.mark.parametrize("needs_gradient", [False, True])
@pytest.mark.parametrize("sizes", [[1], [32, 5], [64, 32, 16]])
def test_all_layers_at_once_are_the_layers_one_by_one(
    sizes: list[int], needs_gradient: bool, last_activation: bool
) -> None:
    mlp = MLP(13, sizes, last_activation=last_activation, generator=generator())
    with torch.no_grad():
        for number, parameter in enumerate(mlp.parameters()):
            if number % 2:
                parameter.normal_(0, 0.5, generator=generator())
    examples = torch.randn(40, 13, generator=generator(1)).requires_grad_(needs_gradient)
    outputs, gradients = train(mlp, examples, at_once=True)
    expected_outputs, expected = train(mlp, examples, at_once=False)
    torch.testing.assert_close(outputs, expected_outputs, rtol=0.02, atol=0.02)
    for gradient, other in zip(gradients, expected, strict=True):
        scale = float(other.abs().max())
        assert scale > 0
        torch.testing.assert_close(gradient, other, rtol=0.02, atol=0.02 * scale)


def test_float32_dropout_and_answers_without_gradients_keep_the_layers() -> None:
    examples = torch.ones(2, 3)
    plain = list(MLP(3, [4, 1], last_activation=False, generator=generator()).layers)
    dropping = list(MLP(3, [4, 1], last_activation=False, dropout=0.5, generator=generator()).layers)
    assert not can_be_short(examples, plain)
    with torch.autocast("cpu", torch.bfloat16):
        assert can_be_short(examples, plain)
        assert not can_be_short(examples, dropping)
        with torch.no_grad():
            assert not can_be_short(examples, plain)
