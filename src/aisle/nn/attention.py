"""Attention: over pairs of fields, between fields, and from a candidate to a visitor's history.

Legend of shapes: B batch, G fields, D embedding dimension, P = G (G - 1) / 2 pairs, A attention size, H heads, T places
of a history, C width of a candidate, K candidates of one history, U hidden values of the activation unit.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from aisle.nn.factorization import pair_numbers
from aisle.nn.mlp import MLP, linear


class AttentionPooling(nn.Module):
    """The average of the element-wise products of all pairs of fields, weighted by a softmax of a small network.

    Source: Xiao et al., "Attentional Factorization Machines: Learning the Weight of Feature Interactions via Attention
    Networks", 2017, equations 4 and 5.

    Args:
        num_fields: G, at least 2.
        embedding_dim: D.
        attention_size: A.
        generator: Draws the first weights.
    """

    def __init__(self, num_fields: int, embedding_dim: int, attention_size: int, *, generator: torch.Generator) -> None:
        super().__init__()
        if num_fields < 2:
            raise ValueError(f"expected at least two fields to make pairs of, received {num_fields}")
        self.hidden = linear(embedding_dim, attention_size, generator=generator)
        self.score_A = nn.Parameter(
            torch.empty(attention_size).normal_(0.0, (2 / (attention_size + 1)) ** 0.5, generator=generator)
        )
        row_P, column_P = torch.triu_indices(num_fields, num_fields, offset=1)
        self._row_P: Tensor
        self._column_P: Tensor
        self._pair_of: Tensor
        self.register_buffer("_row_P", row_P, persistent=False)
        self.register_buffer("_column_P", column_P, persistent=False)
        self.register_buffer("_pair_of", pair_numbers(num_fields).flatten(), persistent=False)

    def forward(self, fields_BGD: Tensor) -> Tensor:
        """The pooled vectors [B, D]."""
        batch, num_fields, _ = fields_BGD.shape
        product_BPD = fields_BGD.index_select(1, self._row_P) * fields_BGD.index_select(1, self._column_P)
        score_BP = torch.matmul(torch.relu(self.hidden(product_BPD)), self.score_A)
        share_BP = torch.softmax(score_BP, dim=1)
        # As a symmetric matrix the shares pool without another pass over the products.
        padded = torch.cat([share_BP, share_BP.new_zeros(batch, 1)], dim=1)
        share_BGG = padded.index_select(1, self._pair_of).view(batch, num_fields, num_fields)
        return 0.5 * (fields_BGD * torch.bmm(share_BGG, fields_BGD)).sum(dim=1)


class FieldSelfAttention(nn.Module):
    """Multi-head self-attention between the fields of an example, with a projected residual and ReLU.

    Source: Song et al., "AutoInt: Automatic Feature Interaction Learning via Self-Attentive Neural Networks", 2019,
    equations 5 to 8. Scores are not scaled, as there.

    Args:
        in_size: Width of the fields that come in.
        num_heads: H.
        head_size: A of each head; fields leave with the width ``H * A``.
        generator: Draws the first weights.
    """

    def __init__(self, in_size: int, *, num_heads: int, head_size: int, generator: torch.Generator) -> None:
        super().__init__()
        self._heads = (num_heads, head_size)
        out_size = num_heads * head_size
        self.projections = linear(in_size, 4 * out_size, generator=generator)  # query, key, value, residual
        with torch.no_grad():  # each starts as a layer of its own size
            self.projections.weight.normal_(0.0, (2 / (in_size + out_size)) ** 0.5, generator=generator)

    def forward(self, fields_BGD: Tensor) -> Tensor:
        """The fields [B, G, H * A]."""
        query, key, value, residual = self.projections(fields_BGD).chunk(4, dim=2)
        query_BHGA, key_BHGA, value_BHGA = (
            part.reshape(*part.shape[:2], *self._heads).transpose(1, 2) for part in (query, key, value)
        )
        mixed_BHGA = functional.scaled_dot_product_attention(query_BHGA, key_BHGA, value_BHGA, scale=1.0)
        return torch.relu(mixed_BHGA.transpose(1, 2).flatten(2) + residual)


class TargetAttention(nn.Module):
    """A history as the sum of its places' vectors, each weighted by how it bears on the candidate.

    Source: Zhou et al., "Deep Interest Network for Click-Through Rate Prediction", 2018, equation 3. The weights are
    no softmax: their sum says how strong the interest is.

    Args:
        candidate_size: C.
        hidden_layers: Hidden sizes of the activation unit; a last layer of 1 follows.
        generator: Draws the first weights.
    """

    def __init__(self, candidate_size: int, hidden_layers: Sequence[int], *, generator: torch.Generator) -> None:
        super().__init__()
        self.unit = MLP(4 * candidate_size, [*hidden_layers, 1], last_activation=False, generator=generator)

    def forward(self, candidate_BC: Tensor, history_BTC: Tensor, mask_BT: Tensor) -> Tensor:
        """The pooled history [B, C]; zero where no place is taken.

        Args:
            candidate_BC: What is asked for.
            history_BTC: What was taken before.
            mask_BT: 1 where a place is taken, else 0.
        """
        candidate_BTC = candidate_BC[:, None].expand_as(history_BTC)
        both = [candidate_BTC, history_BTC, candidate_BTC - history_BTC, candidate_BTC * history_BTC]
        weight_BT = self.unit(torch.cat(both, dim=2)).squeeze(2) * mask_BT
        return torch.bmm(weight_BT[:, None], history_BTC).squeeze(1)

    def of_candidates(self, candidate_BKC: Tensor, history_BTC: Tensor, mask_BT: Tensor) -> Tensor:
        """The history [B, K, C] as each of its many candidates pools it; as :meth:`forward` does one by one.

        The first layer is linear in what it reads, (c, h, c - h, c * h): for one place it is a matrix of the candidate
        and a bias. So no vector of a pair is made before the first hidden values are.

        Args:
            candidate_BKC: What is asked for.
            history_BTC: What was taken before.
            mask_BT: 1 where a place is taken, else 0.
        """
        first, *rest = self.unit.layers
        assert isinstance(first, nn.Linear)
        size = candidate_BKC.shape[2]
        of_candidate, of_history, of_difference, of_product = (
            first.weight[:, size * part : size * (part + 1)] for part in range(4)
        )
        weight_BTUC = history_BTC[:, :, None] * of_product + (of_candidate + of_difference)
        bias_BTU = functional.linear(history_BTC, of_history - of_difference, first.bias)
        hidden = candidate_BKC @ weight_BTUC.flatten(1, 2).transpose(1, 2) + bias_BTU.flatten(1)[:, None]
        hidden = hidden.view(*candidate_BKC.shape[:2], *bias_BTU.shape[1:])
        for layer in rest:
            hidden = layer(hidden)
        pooled_BKC: Tensor = (hidden.squeeze(3) * mask_BT[:, None]) @ history_BTC
        return pooled_BKC
