"""Layers over sequences: against loops written out by hand, causal, blind to padding.

Legend of shapes: B sequences, T positions, D width, E queries and keys, F values.
"""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from aisle.nn.sequences.hstu import HSTULayer, causal_silu_attention, time_gap_buckets
from aisle.nn.sequences.transformer import BothSidedStack, TransformerBlock


def draw(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def hstu_layer(num_heads: int = 2, time_buckets: int = 0, max_length: int = 5) -> HSTULayer:
    """D = 4, E = 2, F = 3; nothing is dropped."""
    layer = HSTULayer(
        4,
        num_heads=num_heads,
        query_dim=2,
        value_dim=3,
        max_length=max_length,
        dropout=0.0,
        time_buckets=time_buckets,
        generator=draw(),
    )
    with torch.no_grad():
        layer.position_bias.normal_(generator=draw(1))
        if layer.time_bias is not None:
            layer.time_bias.normal_(generator=draw(2))
    return layer.double()


def transformer_block(is_causal: bool = True, num_heads: int = 2) -> TransformerBlock:
    """D = 4, H = 2, a hidden layer of 6; nothing is dropped."""
    block = TransformerBlock(4, num_heads=num_heads, hidden=6, dropout=0.0, is_causal=is_causal, generator=draw())
    return block.double()


def silu(value: float) -> float:
    return value / (1 + math.exp(-value))


def hstu_by_hand(layer: HSTULayer, inputs_TD: Tensor, gaps_TT: Tensor | None = None) -> Tensor:
    """One sequence, position by position and head by head."""
    heads, query, value = layer.num_heads, layer.query_dim, layer.value_dim
    projected_TX = functional.silu(layer.project_in(layer.norm(inputs_TD)))
    parts = torch.split(projected_TX, [heads * value, heads * value, heads * query, heads * query], dim=1)
    gates_TF, values_TF, queries_TE, keys_TE = parts
    attended_TF = torch.zeros_like(values_TF)
    for here in range(len(inputs_TD)):
        for before in range(here + 1):
            bias = layer.position_bias[here - before].item()
            if gaps_TT is not None and layer.time_bias is not None:
                bias += layer.time_bias[gaps_TT[here, before]].item()
            for head in range(heads):
                of_query, of_value = slice(head * query, (head + 1) * query), slice(head * value, (head + 1) * value)
                product = (queries_TE[here, of_query] * keys_TE[before, of_query]).sum().item()
                weight = silu(product + bias) / layer.max_length
                attended_TF[here, of_value] += weight * values_TF[before, of_value]
    return inputs_TD + layer.project_out(layer.values_norm(attended_TF) * gates_TF)


@pytest.mark.parametrize("num_heads", [1, 2])
def test_hstu_by_hand(num_heads: int) -> None:
    layer = hstu_layer(num_heads)
    inputs_BTD = torch.randn(2, 4, 4, generator=draw(3), dtype=torch.double)
    with torch.no_grad():
        outputs_BTD = layer(inputs_BTD)
        for row in (0, 1):
            torch.testing.assert_close(outputs_BTD[row], hstu_by_hand(layer, inputs_BTD[row]))


def test_hstu_with_times_by_hand() -> None:
    layer = hstu_layer(time_buckets=8)
    inputs_BTD = torch.randn(1, 3, 4, generator=draw(4), dtype=torch.double)
    gaps_BTT = time_gap_buckets(torch.tensor([[0, 2, 30]]), 8)
    with torch.no_grad():
        outputs_BTD = layer(inputs_BTD, gaps_BTT)
        torch.testing.assert_close(outputs_BTD[0], hstu_by_hand(layer, inputs_BTD[0], gaps_BTT[0]))
        assert not torch.allclose(outputs_BTD, layer(inputs_BTD)), "times matter"


def test_buckets_of_time() -> None:
    times_BT = torch.tensor([[0, 1, 2, 100, 10**9]])
    gaps_TT = time_gap_buckets(times_BT, 20)[0]
    assert torch.equal(gaps_TT, gaps_TT.T)
    assert gaps_TT.diagonal().tolist() == [0] * 5
    # ln 1 = 0; ln 2 / .301 = 2.3; ln 100 / .301 = 15.3; ln 1e9 / .301 = 68.8, beyond the last of 20.
    assert gaps_TT[0].tolist() == [0, 0, 2, 15, 19]


def test_the_bias_says_how_far_back_a_position_is() -> None:
    layer = hstu_layer()
    with torch.no_grad():
        layer.position_bias.copy_(torch.tensor([10.0, 11.0, 12.0, 13.0, 14.0]))
    bias_TT = layer.relative_bias(3)
    assert bias_TT.tril().tolist() == [[10, 0, 0], [11, 10, 0], [12, 11, 10]]


def test_attention_sums_and_does_not_normalize() -> None:
    """Where all earlier positions agree, their sum grows with how many they are; a softmax would hide it."""
    ones = torch.ones(1, 1, 3, 1)
    sums = causal_silu_attention(ones, ones, ones, torch.zeros(3, 3), 0.5)
    one = silu(1.0) / 2
    assert sums.flatten().tolist() == pytest.approx([one, 2 * one, 3 * one])


def test_a_sequence_that_is_too_long_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 5, received 6"):
        hstu_layer()(torch.zeros(1, 6, 4, dtype=torch.double))


def transformer_by_hand(block: TransformerBlock, inputs_TD: Tensor, sees: list[list[int]]) -> Tensor:
    """One sequence; each position sees the given ones."""
    size = inputs_TD.shape[1] // block.num_heads
    queries_TD, keys_TD, values_TD = block.queries_keys_values(block.attention_norm(inputs_TD)).chunk(3, dim=1)
    attended_TD = torch.zeros_like(inputs_TD)
    for here, others in enumerate(sees):
        for head in range(block.num_heads):
            part = slice(head * size, (head + 1) * size)
            logits = [(queries_TD[here, part] @ keys_TD[other, part]).item() / math.sqrt(size) for other in others]
            total = sum(math.exp(logit) for logit in logits)
            for logit, other in zip(logits, others, strict=True):
                attended_TD[here, part] += math.exp(logit) / total * values_TD[other, part]
    middle_TD = inputs_TD + block.attention_out(attended_TD)
    hidden = torch.relu(block.forward_in(block.forward_norm(middle_TD)))
    return middle_TD + block.forward_out(hidden)


def test_a_causal_block_by_hand() -> None:
    block = transformer_block()
    inputs_BTD = torch.randn(1, 3, 4, generator=draw(5), dtype=torch.double)
    with torch.no_grad():
        expected_TD = transformer_by_hand(block, inputs_BTD[0], [[0], [0, 1], [0, 1, 2]])
        torch.testing.assert_close(block(inputs_BTD)[0], expected_TD)


def test_a_block_with_a_mask_by_hand() -> None:
    block = transformer_block(is_causal=False)
    inputs_BTD = torch.randn(1, 3, 4, generator=draw(6), dtype=torch.double)
    sees = [[0, 1], [0, 1], [0, 1]]  # the last position is padding
    is_seen_B1TT = torch.zeros(1, 1, 3, 3, dtype=torch.bool)
    is_seen_B1TT[..., :2] = True
    with torch.no_grad():
        torch.testing.assert_close(block(inputs_BTD, is_seen_B1TT)[0], transformer_by_hand(block, inputs_BTD[0], sees))


def test_heads_must_share_the_width() -> None:
    with pytest.raises(ValueError, match="divides the width 4, received 3"):
        transformer_block(num_heads=3)


@pytest.mark.parametrize("layer", [hstu_layer(), transformer_block()], ids=["hstu", "transformer"])
def test_no_position_sees_one_behind_it(layer: nn.Module) -> None:
    inputs_BTD = torch.randn(2, 5, 4, generator=draw(7), dtype=torch.double)
    with torch.no_grad():
        before_BTD = layer(inputs_BTD)
        for first in range(1, 5):
            changed_BTD = inputs_BTD.clone()
            changed_BTD[:, first:] += 1 + torch.arange(4)
            after_BTD = layer(changed_BTD)
            torch.testing.assert_close(after_BTD[:, :first], before_BTD[:, :first])
            assert (after_BTD[:, first:] != before_BTD[:, first:]).any()


@pytest.mark.parametrize("layer", [hstu_layer(), transformer_block()], ids=["hstu", "transformer"])
def test_padding_behind_a_sequence_changes_nothing(layer: nn.Module) -> None:
    inputs_BTD = torch.randn(2, 3, 4, generator=draw(8), dtype=torch.double)
    padded_BTD = functional.pad(inputs_BTD, (0, 0, 0, 2), value=9.0)
    with torch.no_grad():
        torch.testing.assert_close(layer(padded_BTD)[:, :3], layer(inputs_BTD))


def test_what_is_dropped_is_dropped_in_training_alone() -> None:
    layer = HSTULayer(4, num_heads=1, query_dim=2, value_dim=3, max_length=5, dropout=0.5, generator=draw())
    block = TransformerBlock(4, num_heads=1, hidden=6, dropout=0.5, generator=draw())
    inputs_BTD = torch.randn(2, 3, 4, generator=draw(9))
    for one in (layer, block):
        assert not torch.equal(one(inputs_BTD), one(inputs_BTD))
        one.eval()
        assert torch.equal(one(inputs_BTD), one(inputs_BTD))


def test_positions_of_a_both_sided_stack_are_counted_from_the_end() -> None:
    stack = BothSidedStack(
        4, max_length=5, num_blocks=1, num_heads=1, hidden=4, dropout=0, generator=torch.Generator().manual_seed(0)
    )
    for block in stack.blocks:
        assert isinstance(block, TransformerBlock)
        with torch.no_grad():  # the blocks add nothing
            block.attention_out.weight.zero_()
            block.forward_out.weight.zero_()
    is_item_BT = torch.arange(3) < torch.tensor([3, 2])[:, None]
    with torch.no_grad():
        placed_BTD = stack(torch.zeros(2, 3, 4), is_item_BT)
    torch.testing.assert_close(placed_BTD[0], stack.positions[[2, 1, 0]])
    torch.testing.assert_close(placed_BTD[1, :2], stack.positions[[1, 0]])
