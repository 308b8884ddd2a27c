"""What the loop trains: a network with its examples, its loss, and what is made of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol, TypeVar

from torch import Tensor, nn

from aisle.evaluate.full_ranking import SavedRecommender

Made_co = TypeVar("Made_co", covariant=True)


class Learner(Protocol[Made_co]):
    """A network and what it learns from; the loop knows no more of it.

    Attributes:
        num_batches: Steps of an epoch.
    """

    num_batches: int

    @property
    def network(self) -> nn.Module:
        """Holds all weights, and decides by its mode (``train()``, ``eval()``) whether it drops values."""
        ...

    def epoch(self, number: int) -> Iterator[Any]:
        """The batches of an epoch, whose order and negatives depend on the seed and the epoch alone."""
        ...

    def loss(self, batch: Any) -> Tensor:
        """The mean loss of a batch, a scalar; what the network drops is drawn from torch's generator."""
        ...

    def recommender(self) -> Made_co:
        """What the network is worth now; called in evaluation mode, without gradients. What it saves needs no torch."""
        ...


class Trainee(Learner[SavedRecommender], Protocol):
    """A learner that becomes a recommender of items."""
