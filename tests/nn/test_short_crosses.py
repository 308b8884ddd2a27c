"""Cross layers in bfloat16 as one step of autograd: the same layers in float32 say what is right."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from aisle.nn.cross import CrossNetwork, MatrixCross
from aisle.nn.short_layers import has_fused_linear
from tests.rankers import generator

pytestmark = pytest.mark.skipif(not has_fused_linear(), reason="oneDNN has no bfloat16 on this processor")

SIZE = 13


def crosses(depth: int) -> CrossNetwork:
    """Layers whose biases are not zero."""
    layers = [MatrixCross(SIZE, generator=generator(number)) for number in range(depth)]
    with torch.no_grad():
        for layer in layers:
            layer.linear.bias.normal_(0, 0.5, generator=generator(7))
    return CrossNetwork(layers)


def train(network: CrossNetwork, examples: Tensor, *, short: bool) -> tuple[Tensor, list[Tensor]]:
    """The crossed examples, and the gradients of all parameters and of the examples, if they need one."""
    network.zero_grad()
    examples.grad = None
    with torch.autocast("cpu", torch.bfloat16, enabled=short):
        crossed = network(examples)
    assert crossed.dtype == (torch.bfloat16 if short else torch.float32)
    (crossed.float() * torch.linspace(-1, 2, crossed.numel()).view(crossed.shape)).sum().backward()
    leaves = [*network.parameters(), *([examples] if examples.requires_grad else [])]
    gradients = [leaf.grad.clone() for leaf in leaves if leaf.grad is not None]
    assert len(gradients) == len(leaves)
    assert {gradient.dtype for gradient in gradients} == {torch.float32}
    return crossed.detach().float(), gradients


@pytest.mark.parametrize("needs_gradient", [False, True])
@pytest.mark.parametrize("depth", [1, 3])
def test_short_crosses_are_the_layers_rounded(depth: int, needs_gradient: bool) -> None:
    network = crosses(depth)
    examples = torch.randn(40, SIZE, generator=generator(1)).requires_grad_(needs_gradient)
    crossed, gradients = train(network, examples, short=True)
    expected_crossed, expected = train(network, examples, short=False)
    for found, right in zip([crossed, *gradients], [expected_crossed, *expected], strict=True):
        scale = float(right.abs().max())
        assert scale > 0
        torch.testing.assert_close(found, right, rtol=0.03, atol=0.03 * scale)


def test_the_gradient_that_comes_in_is_left_as_it_is() -> None:
    examples = torch.randn(4, SIZE, generator=generator(1), requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        crossed = crosses(2)(examples)
    gradient = torch.ones_like(crossed)
    crossed.backward(gradient)
    assert torch.equal(gradient, torch.ones_like(gradient))


def test_all_layers_are_one_step_of_autograd() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        crossed = crosses(3)(torch.ones(2, SIZE))
    assert crossed.grad_fn is not None
    assert "ShortCrosses" in type(crossed.grad_fn).__name__
