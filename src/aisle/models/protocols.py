"""What training and export ask of a model.

Legend of shapes: B batch, N dense features, F embedded features, D embedding dimension, K tasks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from aisle.nn.embeddings import EmbeddingBagCollection
from aisle.nn.sparse import SparseFeatures


@runtime_checkable
class Ranker(Protocol):
    """A module that gives each example the log odds of its label: :meth:`score` of dense and embedded features."""

    embeddings: EmbeddingBagCollection
    num_dense: int

    def score(self, dense_BN: Tensor, embedded_BFD: Tensor) -> Tensor:
        """The logits [B]: the half that is exported; tables are looked up before."""

    def __call__(self, dense_BN: Tensor, sparse: SparseFeatures) -> Tensor:
        """The logits [B] of a batch, embeddings included."""

    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """As of a torch module."""

    def state_dict(self) -> dict[str, Any]:
        """As of a torch module."""

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> Any:
        """As of a torch module."""

    @property
    def training(self) -> bool:
        """As of a torch module: whether it is being trained."""

    def train(self, mode: bool = True) -> Any:
        """As of a torch module."""

    def to(self, device: torch.device) -> Any:
        """As of a torch module: move it there, in place."""


@runtime_checkable
class AuxiliaryRanker(Ranker, Protocol):
    """A ranker that learns from more than the label: in training, each call keeps a loss that is added to the label's.

    What it is worth stands in the ranker, for training needs no rule for any model.
    """

    auxiliary_weight: float

    def take_auxiliary_loss(self) -> Tensor:
        """The weighted loss of the last call in training, a number in float32; once, and only of a weight above 0."""


@runtime_checkable
class MultiTaskRanker(Protocol):
    """A module that gives each example the log odds of K labels: a :class:`Ranker` with a column per task.

    Each column speaks of all rows that were shown, whatever the model makes it of. So training needs no rule for any
    model: labels and weights are [B, K], the loss is the sum over tasks of ``weighted_bce`` of a column, and a row that
    says nothing of a task weighs 0 there.
    """

    embeddings: EmbeddingBagCollection
    num_dense: int
    tasks: tuple[str, ...]

    def score(self, dense_BN: Tensor, embedded_BFD: Tensor) -> Tensor:
        """The logits [B, K]: the half that is exported; tables are looked up before."""

    def __call__(self, dense_BN: Tensor, sparse: SparseFeatures) -> Tensor:
        """The logits [B, K] of a batch, embeddings included."""

    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """As of a torch module."""

    def state_dict(self) -> dict[str, Any]:
        """As of a torch module."""

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> Any:
        """As of a torch module."""

    @property
    def training(self) -> bool:
        """As of a torch module: whether it is being trained."""

    def train(self, mode: bool = True) -> Any:
        """As of a torch module."""

    def to(self, device: torch.device) -> Any:
        """As of a torch module: move it there, in place."""
