"""Training of models that score a user's items: those taken above, or as likelier than, those drawn beside them.

Legend of shapes: B positives, C items of an example (the taken one, then negatives).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, Protocol, TypeVar

from torch import Tensor, nn
from torch.nn import functional

from aisle.evaluate.full_ranking import SavedRecommender

Batch = TypeVar("Batch")
Batch_co = TypeVar("Batch_co", covariant=True)


class Examples(Protocol[Batch_co]):
    """What a model of users and items learns from."""

    @property
    def num_batches(self) -> int:
        """Batches of an epoch."""
        ...

    def epoch(self, number: int) -> Iterator[Batch_co]:
        """The batches of one epoch; those of a number are always the same."""
        ...


class PairTrainee(Generic[Batch]):
    """A model of users and items with its examples; see :class:`aisle.train.lists.trainee.Trainee`.

    Args:
        network: The model.
        examples: Positives with negatives, or whole lists.
        loss: The mean loss of a batch.
        recommender: Makes what serves the network as it is now.
    """

    def __init__(
        self,
        network: nn.Module,
        examples: Examples[Batch],
        *,
        loss: Callable[[Batch], Tensor],
        recommender: Callable[[], SavedRecommender],
    ) -> None:
        self.network = network
        self.num_batches = examples.num_batches
        self._examples = examples
        self._loss = loss
        self._recommender = recommender

    def epoch(self, number: int) -> Iterator[Batch]:
        """The batches of an epoch."""
        return self._examples.epoch(number)

    def loss(self, batch: Batch) -> Tensor:
        """The mean loss of a batch."""
        return self._loss(batch)

    def recommender(self) -> SavedRecommender:
        """What the network is worth now."""
        return self._recommender()


def taken_or_not(logits_BC: Tensor) -> Tensor:
    """The mean over all B x C pairs of the binary cross-entropy (in nats): the first of each row was taken."""
    positive_B, negatives_BN = logits_BC[:, 0].float(), logits_BC[:, 1:].float()
    losses = functional.softplus(-positive_B).sum() + functional.softplus(negatives_BN).sum()
    return losses / logits_BC.numel()


def taken_above_others(scores_BC: Tensor) -> Tensor:
    """The mean of -log sigmoid(score of the taken one - score of another).

    Source: Rendle et al., "BPR: Bayesian Personalized Ranking from Implicit Feedback", UAI 2009.
    """
    scores_BC = scores_BC.float()
    return functional.softplus(scores_BC[:, 1:] - scores_BC[:, :1]).mean()
