"""FinalMLP: two MLPs over gated inputs, and a bilinear fusion of what they say.

Reference: Mao et al., "FinalMLP: An Enhanced Two-Stream MLP Model for CTR Prediction", AAAI 2023.

Deviations from the paper: no batch normalization in the streams. A gate without context features reads a learned
vector, as in the authors' code.

Legend of shapes: B batch, N dense features, F embedded features, G fields, D embedding dimension, I inputs of a stream,
C features of a gate's context, H heads, U and V outputs of a head of the first and of the second stream.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from aisle.nn.embeddings import EmbeddingBagCollection
from aisle.nn.mlp import MLP, linear
from aisle.nn.numeric_embeddings import FieldVectors, Numeric
from aisle.nn.sparse import SparseFeatures


class FinalMLP(nn.Module):
    """A two-stream MLP.

    Args:
        embeddings: The sparse arch, of width D.
        num_dense: N, 0 or more.
        streams: Layer sizes of the first and of the second MLP; both end in a multiple of ``num_heads``.
        contexts: Names of the embedded features that the gate of the first and of the second stream reads.
        gate_layers: Hidden sizes of both gates.
        num_heads: H of the fusion.
        numeric: What a number becomes, see :class:`~aisle.nn.numeric_embeddings.FieldVectors`.
        dropout: The share of hidden values that training drops.
        generator: Draws the first weights.

    Raises:
        ValueError: there are not two streams and contexts, a context feature is unknown, or the heads do not fit.
    """

    def __init__(
        self,
        embeddings: EmbeddingBagCollection,
        *,
        num_dense: int,
        streams: Sequence[Sequence[int]] = ((256, 128), (256, 128)),
        contexts: Sequence[Sequence[str]] = ((), ()),
        gate_layers: Sequence[int] = (64,),
        num_heads: int = 4,
        numeric: Numeric = "embed",
        dropout: float = 0.0,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        _check(streams, contexts, num_heads)
        self.num_dense = num_dense
        self.embeddings = embeddings
        dim = embeddings.embedding_dim
        self.fields = FieldVectors(embeddings.num_features, num_dense, dim, numeric=numeric, generator=generator)
        size = self.fields.flat_size
        names = embeddings.feature_names + embeddings.bag_names
        self.gates = nn.ModuleList(
            [ContextGate(_columns(names, context), dim, gate_layers, size, generator=generator) for context in contexts]
        )
        self.streams = nn.ModuleList(
            [MLP(size, sizes, last_activation=True, dropout=dropout, generator=generator) for sizes in streams]
        )
        self.fusion = BilinearFusion(streams[0][-1], streams[1][-1], num_heads, generator=generator)

    @staticmethod
    def table_width(embedding_dim: int) -> int:
        """Numbers of a looked up vector."""
        return embedding_dim

    def forward(self, dense_BN: Tensor, sparse: SparseFeatures) -> Tensor:
        """The logits [B]."""
        return self.score(dense_BN, self.embeddings(sparse))

    def score(self, dense_BN: Tensor, embedded_BFD: Tensor) -> Tensor:
        """The logits [B] of dense features and vectors that were looked up."""
        input_BI = self.fields.flat(dense_BN, self.fields(dense_BN, embedded_BFD))
        first, second = (
            stream(input_BI * gate(embedded_BFD)) for gate, stream in zip(self.gates, self.streams, strict=True)
        )
        logit_B: Tensor = self.fusion(first, second)
        return logit_B


class ContextGate(nn.Module):
    """How much each input of a stream counts, from 0 to 2, by the features of a context.

    Args:
        columns: The C embedded features of the context; without any the gate is the same for all examples.
        embedding_dim: D.
        hidden_layers: Hidden sizes.
        out_size: I.
        generator: Draws the first weights.
    """

    def __init__(
        self,
        columns: Sequence[int],
        embedding_dim: int,
        hidden_layers: Sequence[int],
        out_size: int,
        *,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self._columns_C: Tensor
        self.register_buffer("_columns_C", torch.tensor(columns, dtype=torch.int64), persistent=False)
        self.context_D = None
        if not columns:
            self.context_D = nn.Parameter(torch.empty(embedding_dim).normal_(generator=generator))
        in_size = embedding_dim * max(1, len(columns))
        self.layers = MLP(in_size, [*hidden_layers, out_size], last_activation=False, generator=generator)

    def forward(self, embedded_BFD: Tensor) -> Tensor:
        """The gates [B, I], or [1, I] without a context."""
        if self.context_D is not None:
            return 2 * torch.sigmoid(self.layers(self.context_D[None]))
        return 2 * torch.sigmoid(self.layers(embedded_BFD.index_select(1, self._columns_C).flatten(1)))


class BilinearFusion(nn.Module):
    """A logit that is linear in each of two vectors, and head by head in their products.

    Args:
        first_size: ``H * U``.
        second_size: ``H * V``.
        num_heads: H.
        generator: Draws the first weights.
    """

    def __init__(self, first_size: int, second_size: int, num_heads: int, *, generator: torch.Generator) -> None:
        super().__init__()
        self.linear = linear(first_size + second_size, 1, generator=generator)
        shape = (num_heads, first_size // num_heads, second_size // num_heads)
        scale = (2 / (first_size + second_size)) ** 0.5
        self.weight_HUV = nn.Parameter(torch.empty(shape).normal_(0.0, scale, generator=generator))

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """The logits [B] of vectors [B, H * U] and [B, H * V]."""
        num_heads, first_size, second_size = self.weight_HUV.shape
        first_HBU = first.view(-1, num_heads, first_size).transpose(0, 1)
        second_HBV = second.view(-1, num_heads, second_size).transpose(0, 1)
        products_B = (torch.bmm(first_HBU, self.weight_HUV) * second_HBV).sum(dim=(0, 2))
        linear_B1: Tensor = self.linear(torch.cat([first, second], dim=1))
        return linear_B1.squeeze(1) + products_B


def _columns(names: Sequence[str], context: Sequence[str]) -> list[int]:
    unknown = [name for name in context if name not in names]
    if unknown:
        raise ValueError(f"contexts: expected some of {', '.join(names)}, received {', '.join(unknown)}")
    return [names.index(name) for name in context]


def _check(streams: Sequence[Sequence[int]], contexts: Sequence[Sequence[str]], num_heads: int) -> None:
    if len(streams) != 2 or len(contexts) != 2 or not all(streams):
        raise ValueError(
            f"expected the layers and contexts of two streams, received {len(streams)} and {len(contexts)}; give each "
            "at least one layer"
        )
    if num_heads < 1 or any(sizes[-1] % num_heads for sizes in streams):
        raise ValueError(
            f"expected streams that end in a multiple of {num_heads} heads, received {[sizes[-1] for sizes in streams]}"
        )
