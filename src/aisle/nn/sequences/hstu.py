"""The HSTU layer: pointwise aggregated attention, whose weights are not normalized by a softmax, gated by the position.

Reference: Zhai et al., "Actions speak louder than words: trillion-parameter sequential transducers for generative
recommendations", ICML 2024, section 3. With f = SiLU:

    U, V, Q, K = split(f(W1 norm(x)));   A = f(Q K' + bias) / N, causal;   y = x + W2 (norm(A V) * U)

A softmax would hide how many earlier positions agree; the sum keeps the intensity of a preference.

Legend of shapes: B sequences, T positions, K candidates, D width, H heads, E size of a head's queries and keys, F of
its values.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from aisle.nn.mlp import linear
from aisle.nn.sequences.places import at_places
from aisle.nn.sequences.silu_attention import silu_attention

#: Longer sequences are attended to in blocks; of shorter ones all weights are as fast at once.
_LONG = 255


@dataclass(frozen=True)
class Memory:
    """What a layer keeps of a sequence: its keys [B, H, T, E] and values [B, H, T, F]."""

    keys_BHTE: Tensor
    values_BHTF: Tensor


class HSTULayer(nn.Module):
    """One layer of the hierarchical sequential transduction unit.

    Args:
        dim: D.
        num_heads: H.
        query_dim: E.
        value_dim: F.
        max_length: N: attention is divided by it, and relative positions reach so far.
        dropout: Share of the gated values that training drops.
        time_buckets: Size of the table of time biases, by the logarithm of the seconds between two events; 0: none.
        generator: Draws the first weights.
    """

    def __init__(
        self,
        dim: int,
        *,
        num_heads: int,
        query_dim: int,
        value_dim: int,
        max_length: int,
        dropout: float,
        time_buckets: int = 0,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.num_heads, self.query_dim, self.value_dim = num_heads, query_dim, value_dim
        self.max_length = max_length
        self.dropout = dropout
        self.norm = nn.LayerNorm(dim)
        self.project_in = linear(dim, 2 * num_heads * (query_dim + value_dim), generator=generator)
        self.values_norm = nn.LayerNorm(num_heads * value_dim)
        self.project_out = linear(num_heads * value_dim, dim, generator=generator)
        self.position_bias = nn.Parameter(torch.randn(max_length, generator=generator) * 0.02)
        self.time_bias = nn.Parameter(torch.randn(time_buckets, generator=generator) * 0.02) if time_buckets else None

    def forward(self, inputs_BTD: Tensor, gaps_BTT: Tensor | None = None) -> Tensor:
        """The layer's outputs [B, T, D].

        Args:
            inputs_BTD: What stands at each position, T at most ``max_length``; padding stands behind what counts.
            gaps_BTT: The bucket of the time between each two positions, see :func:`time_gap_buckets`.
        """
        return self.remember(inputs_BTD, gaps_BTT)[0]

    def remember(self, inputs_BTD: Tensor, gaps_BTT: Tensor | None = None) -> tuple[Tensor, Memory]:
        """The layer's outputs [B, T, D], and what candidates behind the last position need of it; see ``forward``."""
        num_sequences, length, _ = inputs_BTD.shape
        if length > self.max_length:
            raise ValueError(f"expected sequences of at most {self.max_length}, received {length}")
        gates, values, queries, keys = self._project(inputs_BTD)
        attended = self._attend(queries, keys, values, gaps_BTT)
        attended_BTF = attended.transpose(1, 2).reshape(num_sequences, length, -1)
        return inputs_BTD + self.gated(attended_BTF, gates), Memory(keys, values)

    def last(self, inputs_BTD: Tensor, last_B: Tensor) -> Tensor:
        """The outputs [B, D] at one position of each sequence alone; it is a candidate behind those before it."""
        _, values, _, keys = self._project(inputs_BTD)
        return self._behind(at_places(inputs_BTD, last_B)[:, None], Memory(keys, values), last_B).squeeze(1)

    def extend(self, candidates_BKD: Tensor, memory: Memory, counts_B: Tensor | None = None) -> Tensor:
        """The outputs [B, K, D] of candidates that each stand behind the same remembered positions.

        A candidate sees these and itself, and no other candidate: each is scored as if it came next alone.

        Args:
            candidates_BKD: What stands for each candidate.
            memory: Of the positions before; at most ``max_length - 1``.
            counts_B: Of those the first so many count; missing: all.
        """
        length = memory.keys_BHTE.shape[2]
        if length >= self.max_length:
            raise ValueError(f"expected at most {self.max_length - 1} positions before a candidate, received {length}")
        if counts_B is None:
            counts_B = torch.full((len(candidates_BKD),), length, device=candidates_BKD.device)
        return self._behind(candidates_BKD, memory, counts_B)

    def _behind(self, candidates_BKD: Tensor, memory: Memory, counts_B: Tensor) -> Tensor:
        num_sequences, num_candidates, _ = candidates_BKD.shape
        gates, values, queries, keys = self._project(candidates_BKD)
        places_T = torch.arange(memory.keys_BHTE.shape[2], device=candidates_BKD.device)
        back_BT = counts_B[:, None] - places_T.view(1, -1)
        bias_BHKT = self.position_bias[back_BT.clamp(min=0)][:, None, None]
        seen_BHKT = functional.silu(queries @ memory.keys_BHTE.transpose(2, 3) + bias_BHKT)
        seen_BHKT = seen_BHKT * (back_BT > 0)[:, None, None]
        own_BHK1 = (queries * keys).sum(3, keepdim=True) + self.position_bias[0]
        weighted = seen_BHKT @ memory.values_BHTF + functional.silu(own_BHK1) * values
        attended_BKF = (weighted / self.max_length).transpose(1, 2).reshape(num_sequences, num_candidates, -1)
        return candidates_BKD + self.gated(attended_BKF, gates)

    def _attend(self, queries: Tensor, keys: Tensor, values: Tensor, gaps_BTT: Tensor | None) -> Tensor:
        """Sums of values [B, H, T, F]; long sequences in blocks, short ones at once."""
        scale, length = 1 / self.max_length, queries.shape[2]
        if gaps_BTT is None and not torch.compiler.is_exporting() and length > _LONG:
            parts = [part.flatten(0, 1).contiguous() for part in (queries, keys, values)]
            return silu_attention(parts[0], parts[1], parts[2], self.position_bias, scale).view_as(values)
        bias = self.relative_bias(length)
        if gaps_BTT is not None and self.time_bias is not None:
            bias = bias + self.time_bias[gaps_BTT].unsqueeze(1)
        return causal_silu_attention(queries, keys, values, bias, scale)

    def _project(self, inputs_BTD: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Gates [B, T, HF], and values, queries and keys by head [B, H, T, ...]."""
        value_size, query_size = self.num_heads * self.value_dim, self.num_heads * self.query_dim
        projected = functional.silu(self.project_in(self.norm(inputs_BTD)))
        gates, values, queries, keys = torch.split(projected, [value_size, value_size, query_size, query_size], dim=2)
        by_head = [self._by_head(part) for part in (values, queries, keys)]
        return gates, by_head[0], by_head[1], by_head[2]

    def _by_head(self, part_BTX: Tensor) -> Tensor:
        num_sequences, length, _ = part_BTX.shape
        return part_BTX.reshape(num_sequences, length, self.num_heads, -1).transpose(1, 2)

    def gated(self, attended: Tensor, gates: Tensor) -> Tensor:
        """What the layer adds to its inputs."""
        gated = self.values_norm(attended) * gates
        added: Tensor = self.project_out(functional.dropout(gated, self.dropout, self.training))
        return added

    def relative_bias(self, length: int) -> Tensor:
        """The bias [T, T] of each position (row) for those before it, by how far back they are."""
        places = torch.arange(length, device=self.position_bias.device)
        return self.position_bias[(places[:, None] - places).clamp(min=0)]


def causal_silu_attention(queries: Tensor, keys: Tensor, values: Tensor, bias: Tensor, scale: float) -> Tensor:
    """Sums of values, each weighed by SiLU(query · key + bias) times ``scale``: [B, H, T, F].

    Args:
        queries: [B, H, T, E].
        keys: [B, H, T, E].
        values: [B, H, T, F].
        bias: [T, T], or [B, 1, T, T].
        scale: Of the weights.
    """
    weights = functional.silu(queries @ keys.transpose(2, 3) + bias) * scale
    return weights.tril() @ values


def time_gap_buckets(times_BT: Tensor, num_buckets: int) -> Tensor:
    """The bucket [B, T, T] of the seconds between each two positions: their natural logarithm in steps of 0.301.

    Args:
        times_BT: Seconds, int64.
        num_buckets: Buckets in all; longer gaps share the last.
    """
    gaps = (times_BT[:, :, None] - times_BT[:, None, :]).abs().clamp(min=1)
    # In double: where logarithms of two libraries differ in the last place, no whole number changes its bucket.
    return (gaps.double().log() / 0.301).long().clamp(max=num_buckets - 1)
