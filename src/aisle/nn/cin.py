"""CIN, the compressed interaction network: explicit products of fields, vector by vector.

Legend of shapes: B batch, G fields, D embedding dimension, H feature maps of a layer, L those of the layer before.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from aisle.nn.mlp import linear


class CompressedInteraction(nn.Module):
    """Each layer's maps are weighted sums of the products of all maps before with all fields; all are sum-pooled.

    Source: Lian et al., "xDeepFM: Combining Explicit and Implicit Feature Interactions for Recommender Systems", 2018,
    equations 6 to 8. With the dimensions before the maps, a layer is one matrix product.

    Deviations from the paper: maps have a bias.

    Args:
        num_fields: G.
        layer_sizes: H of each layer, at least one.
        generator: Draws the first weights.

    Attributes:
        out_size: The sum of the layers' maps.
    """

    def __init__(self, num_fields: int, layer_sizes: Sequence[int], *, generator: torch.Generator) -> None:
        super().__init__()
        if not layer_sizes:
            raise ValueError("expected at least one layer of feature maps, received none")
        before = [num_fields, *layer_sizes[:-1]]
        self.layers = nn.ModuleList(
            [
                linear(maps * num_fields, size, generator=generator)
                for maps, size in zip(before, layer_sizes, strict=True)
            ]
        )
        self.out_size = sum(layer_sizes)

    def forward(self, fields_BGD: Tensor) -> Tensor:
        """The pooled maps [B, sum of H]."""
        fields_BDG = fields_BGD.transpose(1, 2).contiguous()
        maps_BDL, pooled = fields_BDG, []
        for layer in self.layers:
            product_BDLG = maps_BDL[:, :, :, None] * fields_BDG[:, :, None]
            maps_BDL = layer(product_BDLG.flatten(2))
            pooled.append(maps_BDL.sum(dim=1))
        return torch.cat(pooled, dim=1)
