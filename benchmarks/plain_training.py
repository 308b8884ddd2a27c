"""A table recipe trained as plain PyTorch trains it, to measure whether our kernels lose anything.

The tables are an ``nn.Embedding`` whose whole gradient autograd makes, pairs are taken out of a batched product, and
``torch.optim`` moves every weight: no kernel of ours runs. First weights, batches, loss, schedule, evaluation and the
run directory are those of ``aisle train``.

Legend of shapes: R rows of a table, B batch, F embedded features, D embedding dimension, P pairs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from aisle.assemble import table_ranker
from aisle.models import Ranker
from aisle.nn.interactions import DenseDotInteraction
from aisle.nn.tables import FullTable
from aisle.recipe import TableRecipe
from aisle.train.engine.optimizers import Optimizers, OptimizerSettings
from aisle.train.engine.row_kernels import ADAGRAD_EPSILON
from aisle.train.tables.directory import TableDirectory
from aisle.train.tables.run import TableTraining
from aisle.train.tables.seeds import train_seeds
from aisle.train.tables.session import prepared


def train_plainly(recipe: TableRecipe, directory: Path, seeds: Sequence[int]) -> TableDirectory:
    """Train a recipe under each seed on the processor, or go on where that was interrupted.

    Raises:
        ValueError: the recipe is not of float32, AdamW, and Adagrad for tables.
    """
    if recipe.training.precision != "float32":
        raise ValueError(f"expected a recipe of float32, received {recipe.training.precision}")
    training = TableTraining(prepared(recipe), table_ranker, resume=directory.exists(), place=place_plainly)
    return train_seeds(recipe, seeds, directory, training)


def place_plainly(ranker: Ranker, settings: OptimizerSettings) -> tuple[Ranker, Optimizers]:
    """Take our kernels out of a ranker and let torch move its weights, see :data:`aisle.train.engine.loop.Place`.

    Raises:
        ValueError: the settings are not AdamW, and Adagrad for tables.
    """
    assert isinstance(ranker, nn.Module), "what is trained is a module"
    for module in list(ranker.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, FullTable):
                setattr(module, name, PlainTable(child))
            elif isinstance(child, DenseDotInteraction):
                setattr(module, name, PlainDots())
    return ranker, PlainOptimizers(ranker, settings)


class PlainTable(nn.Embedding):
    """An ``nn.Embedding`` with the rows of a table of ours."""

    def __init__(self, table: FullTable) -> None:
        super().__init__(*table.weight.shape, _weight=table.weight.detach().clone())

    def forward(self, ids: Tensor, *, rounded: bool = False) -> Tensor:
        """The vectors [..., D], of float32 also where they may be ``rounded``."""
        return super().forward(ids)


class PlainDots(nn.Module):
    """DLRM's interaction as one writes it first: all products of vectors, then their triangle."""

    def forward(self, dense_BD: Tensor, embedded_BFD: Tensor) -> Tensor:
        """The dense vector and the products [B, D + P]."""
        vectors_BVD = torch.cat([dense_BD[:, None], embedded_BFD], dim=1)
        row_P, column_P = torch.tril_indices(vectors_BVD.shape[1], vectors_BVD.shape[1], offset=-1)
        products_BVV = torch.bmm(vectors_BVD, vectors_BVD.transpose(1, 2))
        return torch.cat([dense_BD, products_BVV[:, row_P, column_P]], dim=1)


class PlainOptimizers(Optimizers):
    """AdamW of the networks and Adagrad of whole tables, both of ``torch.optim``.

    The L2 penalty is torch's: each step adds its gradient to that of every row, looked up or not.
    """

    def __init__(self, ranker: Ranker, settings: OptimizerSettings) -> None:
        if settings.dense != "adamw" or settings.tables != "adagrad":
            raise ValueError(f"expected adamw, and adagrad for tables, received {settings.dense}, {settings.tables}")
        tables = [module.weight for module in ranker.embeddings.modules() if isinstance(module, PlainTable)]
        of_tables = {id(weight) for weight in tables}
        networks = [weight for _, weight in ranker.named_parameters() if id(weight) not in of_tables]
        rate = settings.learning_rate
        self._table_rate = rate if settings.table_learning_rate is None else settings.table_learning_rate
        self._tables = None
        self._dense = torch.optim.AdamW(networks, lr=rate, weight_decay=settings.weight_decay)
        self._rates = [rate]
        self._whole = torch.optim.Adagrad(
            tables, lr=self._table_rate, weight_decay=settings.table_l2, eps=ADAGRAD_EPSILON
        )

    def zero_grad(self) -> None:
        """Forget all gradients."""
        super().zero_grad()
        self._whole.zero_grad()

    def step(self, factor: float) -> None:
        """Move everything, at the learning rates times ``factor``."""
        super().step(factor)
        for group in self._whole.param_groups:
            group["lr"] = self._table_rate * factor
        self._whole.step()

    def tensors_of_tables(self) -> dict[str, Tensor]:
        """Adagrad's state."""
        state = self._whole.state_dict()["state"]
        return {f"{number}/{name}": value for number, values in state.items() for name, value in values.items()}

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from what :meth:`tensors` gave."""
        super().load_tensors(tensors)
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            part, *rest = name.split("/")
            if part == "tables":
                state.setdefault(int(rest[0]), {})[rest[1]] = value
        self._whole.load_state_dict({**self._whole.state_dict(), "state": state})
