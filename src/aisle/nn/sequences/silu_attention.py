"""Causal attention by SiLU with a bias of relative positions, in blocks that stay in the processor's cache.

Weights are never held whole, neither for the backward pass, which makes them again: memory grows with the length of a
sequence and not with its square. A block of rows reads no position behind it, which spares half of the work.

Legend of shapes: N sequences times heads, T positions, E size of queries and keys, F of values, R rows of a block.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

#: Positions of a block of rows, and weights that a block holds at most (about a megabyte).
_ROWS = 256
_BLOCK_WEIGHTS = 1 << 18


def silu_attention(queries: Tensor, keys: Tensor, values: Tensor, position_bias: Tensor, scale: float) -> Tensor:
    """Sums of values up to each position, each weighed by SiLU(query · key + bias) times ``scale``: [N, T, F].

    Args:
        queries: [N, T, E].
        keys: [N, T, E].
        values: [N, T, F].
        position_bias: By how far back a position is, at least T.
        scale: Of the weights.
    """
    attended: Tensor = _SiluAttention.apply(queries, keys, values, position_bias, scale)  # type: ignore[no-untyped-call]
    return attended


class _SiluAttention(torch.autograd.Function):
    """Forward and backward in the same blocks."""

    @staticmethod
    def forward(ctx: Any, queries: Tensor, keys: Tensor, values: Tensor, position_bias: Tensor, scale: float) -> Tensor:
        """The sums."""
        ctx.save_for_backward(queries, keys, values, position_bias)
        ctx.scale = scale
        attended = torch.empty_like(values)
        for block in _blocks(queries, position_bias):
            weights = functional.silu(block.scores(queries, keys))
            torch.bmm(block.causal_(weights), values[block.batch, : block.stop], out=attended[block.at])
        return attended.mul_(scale)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, None]:
        """The gradients of queries, keys, values and the bias."""
        queries, keys, values, position_bias = ctx.saved_tensors
        gradient = (gradients[0] * ctx.scale).to(values.dtype).contiguous()
        of_queries, of_keys, of_values = torch.empty_like(queries), torch.zeros_like(keys), torch.zeros_like(values)
        of_bias = torch.zeros_like(position_bias)
        for block in _blocks(queries, position_bias):
            scores = block.scores(queries, keys)
            sigmoid = torch.sigmoid(scores)
            weights = scores * sigmoid
            seen = (block.batch, slice(0, block.stop))
            # SiLU'(x) = s + x s (1 - s), s the sigmoid.
            slope = sigmoid.addcmul_(weights, 1 - sigmoid)
            of_values[seen] += torch.bmm(block.causal_(weights).transpose(1, 2), gradient[block.at])
            of_scores = torch.bmm(gradient[block.at], values[seen].transpose(1, 2)).mul_(slope)
            block.causal_(of_scores)
            torch.bmm(of_scores, keys[seen], out=of_queries[block.at])
            of_keys[seen] += torch.bmm(of_scores.transpose(1, 2), queries[block.at])
            block.add_bias_gradient(of_bias, of_scores.sum(0, dtype=torch.float32))
        return of_queries, of_keys, of_values, of_bias, None


class _Block:
    """Some sequences and the rows ``start`` to ``stop`` of each, which see the positions before ``stop``."""

    def __init__(self, batch: slice, start: int, stop: int, back_RT: Tensor, bias: Tensor) -> None:
        self.batch, self.start, self.stop = batch, start, stop
        self.at = (batch, slice(start, stop))
        self._back_RT = back_RT
        self._bias_RT = bias

    def scores(self, queries: Tensor, keys: Tensor) -> Tensor:
        """query · key + bias."""
        return torch.bmm(queries[self.at], keys[self.batch, : self.stop].transpose(1, 2)).add_(self._bias_RT)

    def causal_(self, weights: Tensor) -> Tensor:
        """Zero, in place, for positions behind a row; those before the block's first row are behind none."""
        weights[:, :, self.start :].tril_()
        return weights

    def add_bias_gradient(self, of_bias: Tensor, of_scores_RT: Tensor) -> None:
        """Add the gradient of each distance, which is the sum over its diagonal."""
        of_bias.index_add_(0, self._back_RT.flatten(), of_scores_RT.flatten().to(of_bias.dtype))


def _blocks(queries: Tensor, position_bias: Tensor) -> Iterator[_Block]:
    num_sequences, length, _ = queries.shape
    places = torch.arange(length, device=queries.device)
    for start in range(0, length, _ROWS):
        stop = min(start + _ROWS, length)
        back_RT = (places[start:stop, None] - places[:stop]).clamp(min=0)
        bias_RT = position_bias[back_RT].to(queries.dtype)
        at_once = max(1, _BLOCK_WEIGHTS // back_RT.numel())
        for first in range(0, num_sequences, at_once):
            yield _Block(slice(first, min(first + at_once, num_sequences)), start, stop, back_RT, bias_RT)
