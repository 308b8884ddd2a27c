"""The optimizers of a ranker: one for its dense parts, and one that updates only the looked up rows of its tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from aisle.models import Ranker
from aisle.nn.tables import FullTable
from aisle.train.engine.table_optimizers import TableOptimizer, TableRule

DenseRule = Literal["adamw", "adagrad", "sgd"]


@dataclass(frozen=True, kw_only=True)
class OptimizerSettings:
    """How dense parts and tables move.

    Attributes:
        dense: The rule of the dense parts.
        learning_rate: Theirs.
        weight_decay: Theirs; decoupled with ``adamw``.
        tables: The rule of the rows that a batch looks up; missing: tables are trained whole, by AdamW without decay,
            which suits small ones.
        table_learning_rate: Of the tables; the same if missing.
        table_l2: The L2 penalty of the tables, which rows pay when they are looked up; needs ``tables``.
    """

    dense: DenseRule = "adamw"
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    tables: TableRule | None = None
    table_learning_rate: float | None = None
    table_l2: float = 0.0


class Optimizers:
    """Both optimizers of a ranker as one.

    Args:
        ranker: On the device where it will be trained.
        settings: How.
    """

    def __init__(self, ranker: Ranker, settings: OptimizerSettings) -> None:
        rate = settings.learning_rate
        self._table_rate = rate if settings.table_learning_rate is None else settings.table_learning_rate
        dense, tables = _parameters(ranker, by_rows=settings.tables is not None)
        groups = [{"params": dense, "lr": rate, "weight_decay": settings.weight_decay}]
        self._tables: TableOptimizer | None = None
        if settings.tables is not None:
            self._tables = TableOptimizer(_tables(ranker), settings.tables, l2=settings.table_l2)
        else:
            groups.append({"params": tables, "lr": self._table_rate, "weight_decay": 0.0})
        self._dense = _dense_optimizer(settings.dense, [group for group in groups if group["params"]])
        self._rates: list[float] = [group["lr"] for group in self._dense.param_groups]

    def begin(self, factor: float) -> None:
        """Hear of a step before its forward pass: tables on several ranks take their learning rate there."""

    def zero_grad(self) -> None:
        """Forget all gradients."""
        self._dense.zero_grad()
        if self._tables is not None:
            self._tables.forget()

    def step(self, factor: float) -> None:
        """Move everything that has a gradient, at the learning rates times ``factor``."""
        for group, rate in zip(self._dense.param_groups, self._rates, strict=True):
            group["lr"] = rate * factor
        self._dense.step()
        if self._tables is not None:
            self._tables.step(self._table_rate * factor)

    def tensors(self) -> dict[str, Tensor]:
        """The whole state, for a checkpoint."""
        tensors = {
            f"dense/{number}/{name}": value
            for number, values in self._dense.state_dict()["state"].items()
            for name, value in values.items()
        }
        return tensors | {f"tables/{name}": value for name, value in self.tensors_of_tables().items()}

    def tensors_of_tables(self) -> dict[str, Tensor]:
        """The state of the rule of rows; nothing where tables are trained whole."""
        return {} if self._tables is None else self._tables.state_dict()

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from what :meth:`tensors` gave."""
        state: dict[int, dict[str, Tensor]] = {}
        of_tables: dict[str, Tensor] = {}
        for name, value in tensors.items():
            part, _, rest = name.partition("/")
            if part == "tables":
                of_tables[rest] = value
            else:
                number, _, key = rest.partition("/")
                state.setdefault(int(number), {})[key] = value
        self._dense.load_state_dict({**self._dense.state_dict(), "state": state})
        if self._tables is not None:
            self._tables.load_state_dict(of_tables)

    def release(self) -> None:
        """Give the tables' gradients back to autograd."""
        if self._tables is not None:
            self._tables.release()


def _parameters(ranker: Ranker, *, by_rows: bool) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """The dense parameters, and those of tables."""
    of_rows = {id(table.weight) for table in _tables(ranker)}
    dense: list[nn.Parameter] = []
    tables: list[nn.Parameter] = []
    for name, parameter in ranker.named_parameters():
        is_table = id(parameter) in of_rows if by_rows else name.startswith("embeddings.")
        (tables if is_table else dense).append(parameter)
    return dense, tables


def _tables(ranker: Ranker) -> list[FullTable]:
    return [module for module in ranker.embeddings.modules() if isinstance(module, FullTable)]


def _dense_optimizer(rule: DenseRule, groups: list[dict[str, object]]) -> torch.optim.Optimizer:
    if rule == "adamw":
        return torch.optim.AdamW(groups, fused=True)
    if rule == "adagrad":
        return torch.optim.Adagrad(groups, fused=True)
    return torch.optim.SGD(groups, fused=True)
