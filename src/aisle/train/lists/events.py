"""What a model of sequences reads of events beside their items, as tensors.

Legend of shapes: B sequences, T positions.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aisle.data.item_lists import ItemLists, time_gaps
from aisle.models.sequential.side_information import NOTHING, Events, SideInformation


def read_events(side: SideInformation | None, lists: ItemLists, length: int, num_read: int | None = None) -> Events:
    """What a model reads of the last ``length`` events of lists, padded; of those ``num_read`` (missing: all).

    Raises:
        DataError: the lists do not know it.
    """
    if side is None:
        return NOTHING

    def tensor(values_BT: NDArray[np.int32] | NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(values_BT[:, :num_read].astype(np.int64))

    actions_BT = tensor(lists.padded_actions(length)) if side.actions is not None else None
    if side.gaps is None and not side.reads_times:
        return Events(actions_BT)
    times_BT = lists.padded_times(length)
    gaps_BT = None if side.gaps is None else tensor(time_gaps(times_BT))
    return Events(actions_BT, gaps_BT, tensor(times_BT) if side.reads_times else None)
