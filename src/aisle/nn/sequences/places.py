"""Picks one position of each sequence.

Legend of shapes: B sequences, T positions, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor


def at_places(values_BTD: Tensor, places_B: Tensor) -> Tensor:
    """What stands at one position of each sequence [B, D]."""
    return values_BTD[torch.arange(places_B.shape[0], device=places_B.device), places_B]
