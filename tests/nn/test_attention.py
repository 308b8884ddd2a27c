"""Attention against loops and formulas written out."""

from __future__ import annotations

import pytest
import torch

from aisle.nn.attention import AttentionPooling, FieldSelfAttention, TargetAttention
from tests.rankers import generator


def test_pooling_equals_the_double_loop() -> None:
    pooling = AttentionPooling(4, 3, 5, generator=generator())
    fields = torch.randn(6, 4, 3, generator=generator(1))
    products = torch.stack([fields[:, i] * fields[:, j] for i in range(4) for j in range(i + 1, 4)], dim=1)
    scores = torch.relu(products @ pooling.hidden.weight.T + pooling.hidden.bias) @ pooling.score_A
    expected = (torch.softmax(scores, dim=1)[:, :, None] * products).sum(dim=1)
    torch.testing.assert_close(pooling(fields), expected)


def test_equal_scores_pool_to_the_mean() -> None:
    pooling = AttentionPooling(3, 1, 2, generator=generator())
    with torch.no_grad():
        pooling.score_A.zero_()
    # (1*2 + 1*6 + 2*6) / 3
    torch.testing.assert_close(pooling(torch.tensor([[[1.0], [2.0], [6.0]]])), torch.tensor([[20 / 3]]))


def test_one_field_has_no_pairs() -> None:
    with pytest.raises(ValueError, match="at least two fields"):
        AttentionPooling(1, 3, 5, generator=generator())


def test_self_attention_is_that_of_the_equations_head_by_head() -> None:
    layer = FieldSelfAttention(3, num_heads=2, head_size=4, generator=generator())
    fields = torch.randn(5, 6, 3, generator=generator(1))
    query, key, value, residual = (fields @ part.T for part in layer.projections.weight.chunk(4))
    heads = []
    for head in (slice(0, 4), slice(4, 8)):
        share = torch.softmax(query[:, :, head] @ key[:, :, head].transpose(1, 2), dim=2)
        heads.append(share @ value[:, :, head])
    torch.testing.assert_close(layer(fields), torch.relu(torch.cat(heads, dim=2) + residual))


def test_a_history_counts_only_where_its_places_are_taken() -> None:
    attention = TargetAttention(2, (8,), generator=generator())
    candidate, history = torch.randn(3, 2, generator=generator(1)), torch.randn(3, 4, 2, generator=generator(2))
    mask = torch.tensor([[1.0, 1, 0, 0], [0, 0, 0, 0], [1, 1, 1, 1]])
    pooled = attention(candidate, history, mask)
    assert pooled[1].tolist() == [0, 0]
    weights = [
        attention.unit(torch.cat([candidate[0], place, candidate[0] - place, candidate[0] * place]))
        for place in history[0]
    ]
    torch.testing.assert_close(pooled[0], weights[0] * history[0, 0] + weights[1] * history[0, 1])
    changed = history.clone()
    changed[0, 2:] += 5
    assert torch.equal(attention(candidate, changed, mask)[:2], pooled[:2])


def test_the_weights_of_a_history_do_not_sum_to_one() -> None:
    """The same place twice is twice the interest."""
    attention = TargetAttention(2, (8,), generator=generator())
    candidate, place = torch.randn(1, 2, generator=generator(1)), torch.randn(1, 1, 2, generator=generator(2))
    once = attention(candidate, place, torch.ones(1, 1))
    torch.testing.assert_close(attention(candidate, place.expand(1, 2, 2), torch.ones(1, 2)), 2 * once)
