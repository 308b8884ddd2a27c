"""The candidate generation of YouTube: a tower over means of what was taken lately makes the vector of a user.

Reference: Covington et al., "Deep neural networks for YouTube recommendations", RecSys 2016, section 3.
Deviations: lists of items have no times, searches or places, so that the tower reads means of items alone and there is
no example age; these may be of several windows, side by side as the paper's watches and searches are (its watches are
the last 50); its last layer is linear and not ReLU, so that a user's vector may point anywhere; scores are cosines over
a temperature unless the recipe says otherwise. As in the paper every position of a list is an example that knows only
what came before it, items have other vectors where they are read and where they are sought, and a softmax over drawn
negatives is corrected for how they are drawn.

Legend of shapes: B sequences, T positions, V items, D width, W windows.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from aisle.models.sequential.sequence_model import SequenceModel
from aisle.models.sequential.side_information import SideInformation
from aisle.nn.mlp import MLP


class MeanEncoder(nn.Module):
    """The mean of the last items up to each position, by one running sum, then a tower.

    Args:
        dim: D.
        hidden: Outputs of the tower's hidden layers.
        windows: Of how many of the last items a mean is, each at least 1; the tower reads all W means side by side.
            Empty: one mean, of all items so far.
        dropout: Share that training drops, of the means and of hidden values.
        generator: Draws the first weights.
    """

    def __init__(
        self,
        dim: int,
        *,
        hidden: Sequence[int],
        windows: Sequence[int] = (),
        dropout: float = 0.2,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        if any(window < 1 for window in windows):
            raise ValueError(f"expected windows of 1 item or more, received {list(windows)}")
        self.windows = tuple(windows)
        inputs = max(len(self.windows), 1) * dim
        self.tower = MLP(inputs, [*hidden, dim], last_activation=False, dropout=dropout, generator=generator)
        self.dropout = dropout
        self.scale = float(dim**0.5)

    def forward(self, embedded_BTD: Tensor, is_item_BT: Tensor) -> Tensor:
        """What is expected behind each position [B, T, D]."""
        is_item_BT1 = is_item_BT[:, :, None].to(embedded_BTD.dtype)
        sums_BTD, counts_BT1 = (embedded_BTD * is_item_BT1).cumsum(1), is_item_BT1.cumsum(1)
        means = [_since(sums_BTD, window) / _since(counts_BT1, window).clamp(min=1) for window in self.windows] or [
            sums_BTD / counts_BT1.clamp(min=1)
        ]
        means_BTX = torch.cat(means, 2)
        outputs_BTD: Tensor = self.tower(functional.dropout(means_BTX * self.scale, self.dropout, self.training))
        return outputs_BTD


def _since(sums_BTX: Tensor, window: int) -> Tensor:
    """Sums over the last so many positions, from those over all positions so far."""
    return sums_BTX - functional.pad(sums_BTX, (0, 0, window, 0))[:, : sums_BTX.shape[1]]


class YouTubeDNN(SequenceModel):
    """The frame of models whose items have other vectors where they are sought than where they are read.

    Args:
        num_items: V.
        dim: D.
        encoder: From what stands at each position [B, T, D] to what is expected next there [B, T, D].
        normalize: Whether scores are cosines.
        generator: Draws the first vectors.
        side: What else is known of items and events; missing: nothing.
    """

    def __init__(
        self,
        num_items: int,
        dim: int,
        encoder: nn.Module,
        *,
        normalize: bool,
        generator: torch.Generator,
        side: SideInformation | None = None,
    ) -> None:
        super().__init__(num_items, dim, encoder, normalize=normalize, generator=generator, side=side)
        self.sought = nn.Parameter(torch.randn(num_items, dim, generator=generator) * 0.02)

    def item_vectors(self, rows_S: Tensor | None = None) -> Tensor:
        """The vectors [V, D] that queries are compared with; those of some rows [S, D] cost what these rows cost."""
        vectors_VD = self.sought if self.side is None else self.side.sought(self.sought)
        if rows_S is not None:
            vectors_VD = functional.embedding(rows_S, vectors_VD)
        return functional.normalize(vectors_VD, dim=1) if self.normalize else vectors_VD
