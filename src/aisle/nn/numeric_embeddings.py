"""Numbers as fields: how dense features meet embedded ones in models whose papers know only fields.

Legend of shapes: B batch, N dense features, F embedded features, G fields, D embedding dimension, K frequencies,
I values of the flat input of a deep part.
"""

from __future__ import annotations

import math
from typing import Literal, get_args

import torch
from torch import Tensor, nn

#: What a number becomes: a vector times its value, a vector of waves, itself (in linear and deep parts), or nothing.
Numeric = Literal["embed", "periodic", "linear", "none"]
#: Standard deviation of the first vectors of numbers.
_DEVIATION = 0.01


class FieldVectors(nn.Module):
    """The fields of an example: the vectors that were looked up, then those of its numbers.

    ``embed``: each number has a vector, which its value multiplies, as in Rendle, "Factorization Machines", 2010.
    ``periodic``: see :class:`PeriodicEmbeddings`. ``linear``: numbers are no fields; a deep part reads them as they
    are, beside the fields. ``none``: numbers are not read.

    Args:
        num_embedded: F.
        num_dense: N, 0 or more.
        embedding_dim: D.
        numeric: What a number becomes.
        generator: Draws the first weights.

    Attributes:
        num_fields: G.
        flat_size: I.

    Raises:
        ValueError: ``numeric`` is none of the four.
    """

    def __init__(
        self, num_embedded: int, num_dense: int, embedding_dim: int, *, numeric: Numeric, generator: torch.Generator
    ) -> None:
        super().__init__()
        if numeric not in get_args(Numeric):
            raise ValueError(f"numeric: expected one of {', '.join(get_args(Numeric))}, received {numeric!r}")
        self.numeric: ScaledEmbeddings | PeriodicEmbeddings | None = None
        if numeric == "embed" and num_dense > 0:
            self.numeric = ScaledEmbeddings(num_dense, embedding_dim, generator=generator)
        elif numeric == "periodic" and num_dense > 0:
            self.numeric = PeriodicEmbeddings(num_dense, embedding_dim, generator=generator)
        self._reads_raw = numeric == "linear" and num_dense > 0
        self.num_fields = num_embedded + (num_dense if self.numeric is not None else 0)
        self.flat_size = self.num_fields * embedding_dim + (num_dense if self._reads_raw else 0)

    def forward(self, dense_BN: Tensor, embedded_BFD: Tensor) -> Tensor:
        """The fields [B, G, D]."""
        if self.numeric is None:
            return embedded_BFD
        return torch.cat([embedded_BFD, self.numeric(dense_BN)], dim=1)

    def flat(self, dense_BN: Tensor, fields_BGD: Tensor) -> Tensor:
        """The input [B, I] of a deep part: the fields side by side, and the numbers where they are no fields.

        All are of the fields' type.
        """
        flat_BI = fields_BGD.flatten(1)
        return torch.cat([flat_BI, dense_BN.to(flat_BI.dtype)], dim=1) if self._reads_raw else flat_BI


class ScaledEmbeddings(nn.Module):
    """A vector per number, times its value.

    Args:
        num_dense: N.
        embedding_dim: D.
        generator: Draws the first weights.
    """

    def __init__(self, num_dense: int, embedding_dim: int, *, generator: torch.Generator) -> None:
        super().__init__()
        self.vector_ND = nn.Parameter(
            torch.empty(num_dense, embedding_dim).normal_(0.0, _DEVIATION, generator=generator)
        )

    def forward(self, dense_BN: Tensor) -> Tensor:
        """The vectors [B, N, D]."""
        return dense_BN[:, :, None] * self.vector_ND


class PeriodicEmbeddings(nn.Module):
    """A vector per number, which need not be linear in its value: ReLU of a linear layer over learned waves.

    Reference: Gorishniy et al., "On Embeddings for Numerical Features in Tabular Deep Learning", 2022 (``PLR``).

    Args:
        num_dense: N.
        embedding_dim: D.
        num_frequencies: K of each number.
        deviation: Of the first frequencies, per unit of the (standardized) numbers.
        generator: Draws the first weights.
    """

    def __init__(
        self,
        num_dense: int,
        embedding_dim: int,
        *,
        num_frequencies: int = 8,
        deviation: float = 0.1,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        # The waves of a number are of length sqrt(K). Its vector begins as small as those of ids and of scaled numbers:
        # models that sum products of vectors start far off otherwise, and some never come back.
        scale = _DEVIATION * (1 / num_frequencies) ** 0.5
        self.frequency_NK = nn.Parameter(
            torch.empty(num_dense, num_frequencies).normal_(0.0, deviation, generator=generator)
        )
        self.weight_N2KD = nn.Parameter(
            torch.empty(num_dense, 2 * num_frequencies, embedding_dim).normal_(0.0, scale, generator=generator)
        )
        self.bias_ND = nn.Parameter(torch.zeros(num_dense, embedding_dim))

    def forward(self, dense_BN: Tensor) -> Tensor:
        """The vectors [B, N, D]."""
        angle_BNK = 2 * math.pi * dense_BN[:, :, None] * self.frequency_NK
        wave_NB2K = torch.cat([angle_BNK.sin(), angle_BNK.cos()], dim=2).transpose(0, 1)
        return torch.relu(torch.bmm(wave_NB2K, self.weight_N2KD).transpose(0, 1) + self.bias_ND)
