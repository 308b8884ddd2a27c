"""Training of models that read a history once for each candidate, at positions of lists.

Legend of shapes: N positions of a batch, K candidates of each, T places, R questions, V items.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aisle.bundle import BundleWriter
from aisle.data.item_lists import ItemLists
from aisle.data.questions import ListSplit, Questions
from aisle.errors import ConfigError
from aisle.models.sequential.bst import ListBST
from aisle.models.sequential.candidate_model import CandidateModel
from aisle.models.sequential.dien import ListDIEN
from aisle.models.sequential.din import ListDIN
from aisle.recipe.list_models.candidates import CandidateModelSpec, ListBstSpec, ListDienSpec, ListDinSpec
from aisle.train.lists.candidate_export import export_candidate_model
from aisle.train.lists.positions import PositionBatch, PositionTrainee

_SCORED_AT_ONCE = 1024


class CandidateTrainee(PositionTrainee):
    """A model with the training lists; see :class:`aisle.train.lists.trainee.Trainee`.

    Args:
        model: The network.
        lists: The training lists.
        num_items: How many items there are.
        spec: How it learns.
        seed: Draws positions and negatives, and orders them.
    """

    def __init__(
        self, model: CandidateModel, lists: ItemLists, num_items: int, spec: CandidateModelSpec, *, seed: int
    ) -> None:
        super().__init__(lists, num_items, spec, seed=seed)
        self.network = model

    def _scores(self, batch: PositionBatch, candidates_NK: Tensor) -> tuple[Tensor, Tensor | None]:
        scores_NK: Tensor = self.network(batch.items_NT, candidates_NK)
        return scores_NK, self.network.take_auxiliary_loss()

    def recommender(self) -> TorchCandidateScorer:
        """Scores by the network itself."""
        return TorchCandidateScorer(self.network)


class TorchCandidateScorer:
    """Scores by a network, one history at a time, in blocks of candidates.

    Saving exports it: what a bundle holds is an :class:`aisle.pipeline.candidate_scorer.CandidateScorer`.
    """

    def __init__(self, model: CandidateModel) -> None:
        self._model = model

    def score(self, questions: Questions) -> NDArray[np.float32]:
        """The scores [R, V]; an empty history scores all items 0."""
        num_items = len(self._model.items)
        scores_RV = np.zeros((len(questions), num_items), np.float32)
        blocks = torch.split(torch.arange(num_items)[None], _SCORED_AT_ONCE, dim=1)
        self._model.eval()
        with torch.inference_mode():
            for row in np.flatnonzero(questions.histories.sizes_R > 0).tolist():
                history = questions.histories.take(slice(row, row + 1)).last(self._model.max_length)
                items_1T = torch.from_numpy(history.items_E.astype(np.int64))[None]
                scores_RV[row] = torch.cat([self._model(items_1T, block)[0] for block in blocks]).numpy()
        return scores_RV

    def save(self, writer: BundleWriter, folder: str) -> None:
        """Write the graph and the item vectors, which score without torch."""
        export_candidate_model(self._model).save(writer, folder)


def build_candidate_model(spec: CandidateModelSpec, split: ListSplit, *, seed: int = 0) -> CandidateTrainee:
    """A model that reads a history once for each candidate, on the training lists.

    Raises:
        ConfigError: the sizes do not fit, as heads that do not divide the width.
    """
    frame = spec.model_dump(include={"max_length", "hidden", "dropout"})
    generator = torch.Generator().manual_seed(seed)
    try:
        model = _MODELS[type(spec)](split.num_items, spec, frame, generator)
    except ValueError as error:
        raise ConfigError(f"model: {error}") from error
    return CandidateTrainee(model, split.train, split.num_items, spec, seed=seed)


def _din(num_items: int, spec: ListDinSpec, frame: dict[str, Any], generator: torch.Generator) -> CandidateModel:
    return ListDIN(num_items, spec.dim, attention_layers=spec.attention_layers, generator=generator, **frame)


def _bst(num_items: int, spec: ListBstSpec, frame: dict[str, Any], generator: torch.Generator) -> CandidateModel:
    return ListBST(num_items, spec.dim, num_heads=spec.num_heads, generator=generator, **frame)


def _dien(num_items: int, spec: ListDienSpec, frame: dict[str, Any], generator: torch.Generator) -> CandidateModel:
    return ListDIEN(num_items, spec.dim, auxiliary_weight=spec.auxiliary_weight, generator=generator, **frame)


_MODELS: dict[type[CandidateModelSpec], Callable[..., CandidateModel]] = {
    ListBstSpec: _bst,
    ListDienSpec: _dien,
    ListDinSpec: _din,
}
