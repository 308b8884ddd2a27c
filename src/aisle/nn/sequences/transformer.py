"""Transformer blocks over sequences, normalized before each half.

Reference: Vaswani et al., "Attention is all you need", NeurIPS 2017; the order of the norms after Xiong et al., "On
layer normalization in the transformer architecture", ICML 2020.

Legend of shapes: B sequences, T positions, P = T + 1, K candidates behind them, D width, H heads.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from aisle.nn.mlp import linear
from aisle.nn.sequences.convolution import BothSidedConvolution
from aisle.nn.sequences.places import at_places


class TransformerBlock(nn.Module):
    """Self-attention over what came before, then a two-layer network at each position.

    Sequences are padded at their end: no position sees one behind it, so padding reaches nothing that counts.

    Args:
        dim: D.
        num_heads: H, a divisor of D.
        hidden: Width of the two-layer network.
        dropout: Share of both halves' outputs that training drops.
        is_causal: Whether a position sees only itself and what came before; else ``forward`` needs a mask.
        generator: Draws the first weights.
    """

    def __init__(
        self,
        dim: int,
        *,
        num_heads: int,
        hidden: int,
        dropout: float,
        is_causal: bool = True,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        if dim % num_heads:
            raise ValueError(f"expected num_heads that divides the width {dim}, received {num_heads}")
        self.num_heads = num_heads
        self.is_causal = is_causal
        self.attention_norm = nn.LayerNorm(dim)
        self.queries_keys_values = linear(dim, 3 * dim, generator=generator)
        self.attention_out = linear(dim, dim, generator=generator)
        self.forward_norm = nn.LayerNorm(dim)
        self.forward_in = linear(dim, hidden, generator=generator)
        self.forward_out = linear(hidden, dim, generator=generator)
        self.dropout = dropout

    def forward(self, inputs_BTD: Tensor, is_seen_B1TT: Tensor | None = None) -> Tensor:
        """The block's outputs [B, T, D].

        Args:
            inputs_BTD: What stands at each position.
            is_seen_B1TT: Which positions (last axis) each position sees, where the block is not causal.
        """
        projected = self.queries_keys_values(self.attention_norm(inputs_BTD))
        queries, keys, values = self._by_head(projected, 3)
        mask = None if self.is_causal else is_seen_B1TT
        attended = functional.scaled_dot_product_attention(
            queries, keys, values, attn_mask=mask, is_causal=self.is_causal
        )
        return self._outputs(inputs_BTD, attended)

    def last(self, inputs_BTD: Tensor, is_seen_BT: Tensor, last_B: Tensor) -> Tensor:
        """The outputs [B, D] at one position of each sequence alone.

        Args:
            inputs_BTD: What stands at each position.
            is_seen_BT: Which positions it sees.
            last_B: The position.
        """
        dim = inputs_BTD.shape[2]
        normed_BTD = self.attention_norm(inputs_BTD)
        weight, bias = self.queries_keys_values.weight, self.queries_keys_values.bias
        asking_B1D = at_places(normed_BTD, last_B)[:, None]
        (queries,) = self._by_head(functional.linear(asking_B1D, weight[:dim], bias[:dim]), 1)
        keys, values = self._by_head(functional.linear(normed_BTD, weight[dim:], bias[dim:]), 2)
        attended = functional.scaled_dot_product_attention(queries, keys, values, attn_mask=is_seen_BT[:, None, None])
        return self._outputs(at_places(inputs_BTD, last_B)[:, None], attended).squeeze(1)

    def behind(self, candidates_BKD: Tensor, inputs_BTD: Tensor, is_seen_BT: Tensor) -> Tensor:
        """The outputs [B, K, D] of candidates that each stand behind the same positions, and see these and themselves.

        Args:
            candidates_BKD: What stands for each candidate.
            inputs_BTD: What stands at the positions before.
            is_seen_BT: Which of these are seen.
        """
        dim = inputs_BTD.shape[2]
        weight, bias = self.queries_keys_values.weight[dim:], self.queries_keys_values.bias[dim:]
        keys, values = self._by_head(functional.linear(self.attention_norm(inputs_BTD), weight, bias), 2)
        projected = self.queries_keys_values(self.attention_norm(candidates_BKD))
        queries, own_keys, own_values = self._by_head(projected, 3)
        score_BHKT = (queries @ keys.transpose(2, 3)).masked_fill(~is_seen_BT[:, None, None], -torch.inf)
        score_BHKP = torch.cat([score_BHKT, (queries * own_keys).sum(3, keepdim=True)], dim=3)
        share_BHKP = torch.softmax(score_BHKP * float((dim // self.num_heads) ** -0.5), dim=3)
        attended = share_BHKP[..., :-1] @ values + share_BHKP[..., -1:] * own_values
        return self._outputs(candidates_BKD, attended)

    def _by_head(self, projected_BTX: Tensor, parts: int) -> tuple[Tensor, ...]:
        """The parts of the last axis by head [B, H, T, D / H]."""
        num_sequences, length, width = projected_BTX.shape
        heads = projected_BTX.view(num_sequences, length, parts, self.num_heads, width // parts // self.num_heads)
        return heads.permute(2, 0, 3, 1, 4).unbind()

    def _outputs(self, inputs_BTD: Tensor, attended_BHTX: Tensor) -> Tensor:
        """What was attended to and the two-layer network, added to the inputs."""
        attended_BTD = attended_BHTX.transpose(1, 2).reshape(inputs_BTD.shape)
        inputs_BTD = inputs_BTD + self._drop(self.attention_out(attended_BTD))
        hidden = functional.relu(self.forward_in(self.forward_norm(inputs_BTD)))
        return inputs_BTD + self._drop(self.forward_out(self._drop(hidden)))

    def _drop(self, values: Tensor) -> Tensor:
        return functional.dropout(values, self.dropout, self.training)


class TransformerStack(nn.Module):
    """Learned positions, and blocks one above the other, of which a position sees itself and what came before.

    Args:
        dim: D.
        max_length: The longest sequence.
        num_blocks: Blocks.
        num_heads: Heads of each.
        hidden: Width of the blocks' two-layer networks.
        dropout: Share that training drops, of the embedded sequence and in the blocks.
        generator: Draws the first weights.
    """

    def __init__(
        self,
        dim: int,
        *,
        max_length: int,
        num_blocks: int,
        num_heads: int,
        hidden: int,
        dropout: float,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.positions = nn.Parameter(torch.randn(max_length, dim, generator=generator) * 0.02)
        self.blocks = nn.ModuleList(
            TransformerBlock(dim, num_heads=num_heads, hidden=hidden, dropout=dropout, generator=generator)
            for _ in range(num_blocks)
        )
        self.dropout = dropout
        self.dim = dim

    def forward(self, embedded_BTD: Tensor) -> Tensor:
        """The outputs [B, T, D] of the last block, which are not normalized."""
        outputs_BTD: Tensor = self.blocks[-1](self._before_last(embedded_BTD))
        return outputs_BTD

    def last(self, embedded_BTD: Tensor, is_seen_BT: Tensor, last_B: Tensor) -> Tensor:
        """The same at one position of each sequence [B, D]: the last block leaves the others out.

        Args:
            embedded_BTD: What stands at each position.
            is_seen_BT: Which positions it sees: itself and those before.
            last_B: The position.
        """
        block = self.blocks[-1]
        assert isinstance(block, TransformerBlock)
        return block.last(self._before_last(embedded_BTD), is_seen_BT, last_B)

    def _before_last(self, embedded_BTD: Tensor) -> Tensor:
        """What the last block reads [B, T, D]."""
        inputs_BTD = embedded_BTD * float(self.dim**0.5) + self.positions[: embedded_BTD.shape[1]]
        inputs_BTD = functional.dropout(inputs_BTD, self.dropout, self.training)
        for block in self.blocks[:-1]:
            inputs_BTD = block(inputs_BTD)
        return inputs_BTD


class BothSidedStack(nn.Module):
    """Blocks of which a position sees all others.

    Nothing but its position tells a hidden item from another, so positions begin as large as items do, and they are
    counted from the end: what stands just before the item that is asked for is at the same one in any sequence.

    Args:
        dim: D.
        max_length: The longest sequence.
        num_blocks: Blocks.
        num_heads: Heads of each.
        hidden: Width of the blocks' two-layer networks.
        convolution: In front of each block so many positions to each side, itself among them, are added by their
            distance; 0: none.
        dropout: Share that training drops, of the embedded sequence and in the blocks.
        generator: Draws the first weights.
    """

    def __init__(
        self,
        dim: int,
        *,
        max_length: int,
        num_blocks: int,
        num_heads: int,
        hidden: int,
        convolution: int = 0,
        dropout: float,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.scale = float(dim**0.5)
        self.positions = nn.Parameter(torch.randn(max_length, dim, generator=generator) * 0.02 * self.scale)
        self.blocks = nn.ModuleList(
            TransformerBlock(
                dim, num_heads=num_heads, hidden=hidden, dropout=dropout, is_causal=False, generator=generator
            )
            for _ in range(num_blocks)
        )
        convolutions = num_blocks if convolution else 0
        self.convolutions = nn.ModuleList(BothSidedConvolution(dim, convolution) for _ in range(convolutions))
        self.dropout = dropout
        self.dim = dim

    def forward(self, embedded_BTD: Tensor, is_item_BT: Tensor) -> Tensor:
        """The outputs [B, T, D] of the last block, which are not normalized; padding stands behind what counts."""
        back_BT = is_item_BT.sum(1, keepdim=True) - 1 - torch.arange(is_item_BT.shape[1], device=is_item_BT.device)
        values_BTD = embedded_BTD * self.scale + functional.embedding(back_BT.clamp(min=0), self.positions)
        values_BTD = functional.dropout(values_BTD, self.dropout, self.training)
        for number, block in enumerate(self.blocks):
            if self.convolutions:
                values_BTD = self.convolutions[number](values_BTD, is_item_BT)
            values_BTD = block(values_BTD, is_item_BT[:, None, None])
        return values_BTD
