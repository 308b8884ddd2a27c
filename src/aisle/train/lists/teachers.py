"""What trained models of sequences expect at each position, for a student to learn from.

Legend of shapes: B sequences, T positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from aisle.data.item_lists import ItemLists
from aisle.models.sequential.sequence_model import SequenceModel
from aisle.models.sequential.side_information import Events
from aisle.nn.full_softmax import TeacherQueries, Teachers
from aisle.train.lists.events import read_events


@dataclass(frozen=True)
class TrainedNetwork:
    """A network in evaluation mode, and what its scores were divided by in training."""

    network: SequenceModel
    temperature: float


class TrainedTeachers:
    """Networks that teach.

    Args:
        networks: One or more, over the student's items and of sequences as long as its.
        weight: The part of the loss against them.
    """

    def __init__(self, networks: Sequence[TrainedNetwork], weight: float) -> None:
        self._networks = list(networks)
        self._weight = weight

    def events(self, lists: ItemLists, length: int, num_read: int) -> tuple[Events, ...]:
        """What each reads of events beside their items; see :func:`aisle.train.lists.events.read_events`."""
        return tuple(read_events(one.network.side, lists, length, num_read) for one in self._networks)

    def at(self, positions_BT: Tensor, items_BT: Tensor, events: Sequence[Events]) -> Teachers:
        """What they expect at the positions that are true."""
        with torch.no_grad():
            members = [
                TeacherQueries(
                    one.network(items_BT, read)[positions_BT].float() / one.temperature, one.network.item_vectors()
                )
                for one, read in zip(self._networks, events, strict=True)
            ]
        return Teachers(members, self._weight)
