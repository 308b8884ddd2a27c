"""The short convolution over positions: by hand, blind to what comes, and nothing before it has learned.

Legend of shapes: B sequences, T positions, D width.
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from aisle.nn.sequences.convolution import BothSidedConvolution, CausalConvolution


def convolution(width: int = 3) -> CausalConvolution:
    """D = 2; the weight of dimension d, k positions back, is 10 ** -k for d = 0 and 2 * 10 ** -k for d = 1."""
    layer = CausalConvolution(2, width)
    back_W = torch.arange(width - 1, -1, -1)  # the last weight is that of the position itself
    with torch.no_grad():
        layer.weights.copy_(torch.stack([10.0**-back_W, 2 * 10.0**-back_W])[:, None])
    return layer


def test_by_hand() -> None:
    inputs_BTD = torch.tensor([[[1.0, 1.0], [2.0, 0.0], [3.0, 1.0], [4.0, 0.0]]])
    expected_TD = [[1 + 1.0, 1 + 2.0], [2 + 2.1, 0.2], [3 + 3.21, 1 + 2.02], [4 + 4.32, 0.2]]
    torch.testing.assert_close(convolution()(inputs_BTD)[0], torch.tensor(expected_TD))


def test_both_sides_by_hand() -> None:
    """D = 1; the weights of two before, one before, itself, one behind and two behind; the last two are padding."""
    layer = BothSidedConvolution(1, 3)
    with torch.no_grad():
        layer.weights.copy_(torch.tensor([[[100.0, 10, 1, 0.1, 0.01]]]))
    inputs_BTD = torch.tensor([[[1.0], [2], [3], [9], [9]]])
    is_item_BT = torch.tensor([[True, True, True, False, False]])
    expected_T = [1 + 1 + 0.2 + 0.03, 2 + 10 + 2 + 0.3, 3 + 100 + 20 + 3]
    torch.testing.assert_close(layer(inputs_BTD, is_item_BT)[0, :3, 0], torch.tensor(expected_T))


def test_it_begins_as_nothing_and_learns() -> None:
    layer = CausalConvolution(2, 3)
    inputs_BTD = torch.randn(2, 4, 2, generator=torch.Generator().manual_seed(0))
    outputs_BTD: Tensor = layer(inputs_BTD)
    assert torch.equal(outputs_BTD, inputs_BTD)
    outputs_BTD.sum().backward()  # type: ignore[no-untyped-call]
    assert layer.weights.grad is not None and (layer.weights.grad != 0).all()


def test_to_both_sides_it_begins_with_what_is_near() -> None:
    inputs_BTD = torch.tensor([[[1.0], [2], [4], [8], [9]]])
    is_item_BT = torch.tensor([[True, True, True, True, False]])
    expected_T = [1 + 2 / 2 + 4 / 4, 2 + 1 / 2 + 4 / 2 + 8 / 4, 4 + 1 / 4 + 2 / 2 + 8 / 2, 8 + 2 / 4 + 4 / 2]
    with torch.no_grad():
        outputs_BTD = BothSidedConvolution(1, 3)(inputs_BTD, is_item_BT)
    torch.testing.assert_close(outputs_BTD[0, :4, 0], torch.tensor(expected_T))


@pytest.mark.parametrize("width", [1, 2, 6])
def test_no_position_sees_one_behind_it(width: int) -> None:
    inputs_BTD = torch.randn(2, 5, 2, generator=torch.Generator().manual_seed(1))
    layer = convolution(width)
    with torch.no_grad():
        before_BTD = layer(inputs_BTD)
        for first in range(1, 5):
            changed_BTD = inputs_BTD.clone()
            changed_BTD[:, first:] += 1
            after_BTD = layer(changed_BTD)
            torch.testing.assert_close(after_BTD[:, :first], before_BTD[:, :first])
            reached = (after_BTD != before_BTD).any(dim=2).all(dim=0)
            assert reached[first : first + width].all()


@pytest.mark.parametrize("kind", [CausalConvolution, BothSidedConvolution])
def test_a_convolution_of_nothing_is_refused(kind: type[nn.Module]) -> None:
    with pytest.raises(ValueError, match="of 1 position or more, received 0"):
        kind(2, 0)
