"""The upper half of multi-task rankers: an MLP per task.

Legend of shapes: B batch, H inputs of a tower, K tasks.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from aisle.nn.mlp import MLP


class TaskTowers(nn.Module):
    """One MLP with a logit per task.

    Args:
        tasks: Their names, each once.
        in_size: H.
        hidden_layers: Hidden sizes of each tower; a last layer of 1 follows.
        dropout: The share of hidden values that training drops.
        generator: Draws the first weights.

    Raises:
        ValueError: there is no task, or a name comes twice.
    """

    def __init__(
        self,
        tasks: Sequence[str],
        in_size: int,
        hidden_layers: Sequence[int],
        *,
        dropout: float,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        if not tasks or len(set(tasks)) < len(tasks):
            raise ValueError(f"tasks: expected at least one name, each once, received {list(tasks)}")
        self.towers = nn.ModuleList(
            [
                MLP(in_size, [*hidden_layers, 1], last_activation=False, dropout=dropout, generator=generator)
                for _ in tasks
            ]
        )

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """The logits [B, K] of an input [B, H] per task."""
        return torch.cat([tower(one) for tower, one in zip(self.towers, inputs, strict=True)], dim=1)
