"""CIN, the compressed interaction network: explicit products of fields, vector by vector.

Legend of shapes: B batch, G fields, D embedding dimension, H feature maps of a layer, L those of the layer before,
R = B D.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class CompressedInteraction(nn.Module):
    """Each layer's maps are weighted sums of the products of all maps before with all fields; all are sum-pooled.

    Source: Lian et al., "xDeepFM: Combining Explicit and Implicit Feature Interactions for Recommender Systems", 2018,
    equations 6 to 8.

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
        weights = []
        for maps, size in zip(before, layer_sizes, strict=True):
            scale = (2 / (maps * num_fields + size)) ** 0.5
            weights.append(torch.empty(maps, num_fields, size).normal_(0.0, scale, generator=generator))
        self.weights_LGH = nn.ParameterList(weights)
        self.out_size = sum(layer_sizes)

    def forward(self, fields_BGD: Tensor) -> Tensor:
        """The pooled maps [B, sum of H]."""
        _, num_fields, dim = fields_BGD.shape
        fields_R1G = fields_BGD.transpose(1, 2).reshape(-1, 1, num_fields)
        maps_RL, pooled = fields_R1G.squeeze(1), []
        for weight_LGH in self.weights_LGH:
            num_maps = weight_LGH.shape[2]
            # The maps before are summed first, then the fields: their products are never made.
            mixed_RGH = torch.matmul(maps_RL, weight_LGH.flatten(1)).view(-1, num_fields, num_maps)
            maps_RL = torch.bmm(fields_R1G, mixed_RGH).squeeze(1)
            pooled.append(maps_RL.view(-1, dim, num_maps).sum(dim=1))
        return torch.cat(pooled, dim=1)
