"""Optimizers of embedding tables: they see the rows that a batch looked up, and never a gradient of a whole table.

On a CPU the kernels of ``row_kernels`` update the rows in place; elsewhere the same rules run as torch operations.

Legend of shapes: R rows of a table, D its numbers per row, N looked up ids, U different ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import torch
from torch import Tensor

from aisle.nn.short_floats import float_array
from aisle.nn.tables import FullTable
from aisle.nn.tables.huge_pages import ask_for_huge_pages
from aisle.train.engine import row_kernels
from aisle.train.engine.row_kernels import (
    ADAGRAD_EPSILON,
    ADAM_BETAS,
    ADAM_EPSILON,
    Floats,
    Ids,
    Room,
    RowGradients,
    room_for,
)

TableRule = Literal["sgd", "adagrad", "row_wise_adagrad", "adam"]


@dataclass(frozen=True)
class Step:
    """One step's numbers: its count from 1, the learning rate, and the L2 penalty of its loss."""

    number: int
    rate: float
    l2: float


class _Rule(Protocol):
    """How a row moves. ``state`` names its tensors, each of one number per row or of one per weight."""

    def state(self, weight_RD: Tensor) -> dict[str, Tensor]:
        """Zeros, before the first step."""

    def run_kernel(self, rows: RowGradients, room: Room, state: Mapping[str, Floats], step: Step) -> None:
        """Update the rows on a CPU."""

    def change(self, state_U: dict[str, Tensor], gradient_UD: Tensor, step: Step) -> Tensor:
        """What is taken from the weights [U, D] of different rows, whose state is changed in place."""


class Sgd:
    """Stochastic gradient descent."""

    def state(self, weight_RD: Tensor) -> dict[str, Tensor]:
        """None."""
        return {}

    def run_kernel(self, rows: RowGradients, room: Room, state: Mapping[str, Floats], step: Step) -> None:
        """See :class:`_Rule`."""
        row_kernels.sgd(rows, room, step.rate)

    def change(self, state_U: dict[str, Tensor], gradient_UD: Tensor, step: Step) -> Tensor:
        """See :class:`_Rule`."""
        return step.rate * gradient_UD


class Adagrad:
    """Duchi et al., "Adaptive Subgradient Methods for Online Learning and Stochastic Optimization", 2011."""

    def state(self, weight_RD: Tensor) -> dict[str, Tensor]:
        """A sum of squares for each weight."""
        return {"squares": torch.zeros_like(weight_RD)}

    def run_kernel(self, rows: RowGradients, room: Room, state: Mapping[str, Floats], step: Step) -> None:
        """See :class:`_Rule`."""
        row_kernels.adagrad(rows, room, state["squares"], step.rate)

    def change(self, state_U: dict[str, Tensor], gradient_UD: Tensor, step: Step) -> Tensor:
        """See :class:`_Rule`."""
        state_U["squares"] += gradient_UD * gradient_UD
        return step.rate * gradient_UD / (state_U["squares"].sqrt() + ADAGRAD_EPSILON)


class RowWiseAdagrad:
    """Adagrad with one number of state per row: the sum of the mean squares of its gradients.

    Source: Mudigere et al., "Software-Hardware Co-design for Fast and Scalable Training of Deep Learning Recommendation
    Models", 2022.
    """

    def state(self, weight_RD: Tensor) -> dict[str, Tensor]:
        """A sum for each row."""
        return {"squares": weight_RD.new_zeros(len(weight_RD))}

    def run_kernel(self, rows: RowGradients, room: Room, state: Mapping[str, Floats], step: Step) -> None:
        """See :class:`_Rule`."""
        row_kernels.row_wise_adagrad(rows, room, state["squares"], step.rate)

    def change(self, state_U: dict[str, Tensor], gradient_UD: Tensor, step: Step) -> Tensor:
        """See :class:`_Rule`."""
        state_U["squares"] += (gradient_UD * gradient_UD).mean(dim=1)
        return step.rate * gradient_UD / (state_U["squares"].sqrt() + ADAGRAD_EPSILON)[:, None]


class Adam:
    """Kingma and Ba, "Adam: A Method for Stochastic Optimization", 2015.

    The moments of a row rest while it is not looked up, as in torch's ``SparseAdam``.
    """

    def state(self, weight_RD: Tensor) -> dict[str, Tensor]:
        """Two moments for each weight."""
        return {"means": torch.zeros_like(weight_RD), "squares": torch.zeros_like(weight_RD)}

    def run_kernel(self, rows: RowGradients, room: Room, state: Mapping[str, Floats], step: Step) -> None:
        """See :class:`_Rule`."""
        row_kernels.adam(rows, room, state["means"], state["squares"], step.rate)

    def change(self, state_U: dict[str, Tensor], gradient_UD: Tensor, step: Step) -> Tensor:
        """See :class:`_Rule`."""
        first, second = ADAM_BETAS
        state_U["means"] += (1 - first) * (gradient_UD - state_U["means"])
        state_U["squares"] += (1 - second) * (gradient_UD * gradient_UD - state_U["squares"])
        scale_UD = (state_U["squares"] / (1 - second**step.number)).sqrt() + ADAM_EPSILON
        return step.rate / (1 - first**step.number) * state_U["means"] / scale_UD


RULES: dict[TableRule, type[_Rule]] = {
    "sgd": Sgd,
    "adagrad": Adagrad,
    "row_wise_adagrad": RowWiseAdagrad,
    "adam": Adam,
}


class TableOptimizer:
    """Updates tables in place from the gradients of the rows that were looked up since the last step.

    Args:
        tables: Whose gradients it takes over from autograd.
        rule: How rows move.
        l2: Each step's loss has the penalty ``l2 / 2 * |weight|^2`` of whole tables. A row pays its part for all steps
            since it was looked up last when it is looked up again, so that no step touches the others.
    """

    def __init__(self, tables: Sequence[FullTable], rule: TableRule, *, l2: float = 0.0) -> None:
        self._rule: _Rule = RULES[rule]()
        self._l2 = l2
        self._tables = [_TableState(table, self._rule, has_penalty=l2 > 0) for table in tables]
        self.num_steps = 0

    def step(self, learning_rate: float) -> None:
        """Move all rows that were looked up."""
        self.num_steps += 1
        step = Step(self.num_steps, learning_rate, self._l2)
        for table in self._tables:
            table.move(step)

    def forget(self) -> None:
        """Drop the gradients since the last step."""
        for table in self._tables:
            table.pending.clear()

    def release(self) -> None:
        """Let autograd make the tables' gradients again."""
        for table in self._tables:
            table.release()

    def state_dict(self) -> dict[str, Tensor]:
        """The state of all tables by number and name, and how many steps were made."""
        tensors = {
            f"{number}/{name}": value
            for number, table in enumerate(self._tables)
            for name, value in table.tensors().items()
        }
        return tensors | {"num_steps": torch.tensor(self.num_steps)}

    def load_state_dict(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from a state that :meth:`state_dict` gave."""
        self.num_steps = int(tensors["num_steps"])
        for number, table in enumerate(self._tables):
            for name, value in table.tensors().items():
                value.copy_(tensors[f"{number}/{name}"])


class _TableState:
    """One table, its optimizer's state, and the gradients that wait for the step."""

    def __init__(self, table: FullTable, rule: _Rule, *, has_penalty: bool) -> None:
        self._table = table
        self._weight_RD = table.weight.detach()  # the same memory
        self._rule = rule
        self.state = {name: ask_for_huge_pages(value) for name, value in rule.state(self._weight_RD).items()}
        num_seen = len(self._weight_RD) if has_penalty else 0
        self.seen_R = torch.zeros(num_seen, dtype=torch.int32, device=self._weight_RD.device)
        self.pending: list[tuple[Tensor, Tensor]] = []
        self._room: Room | None = None
        table.send_row_gradients(lambda ids_N, gradient_ND: self.pending.append((ids_N, gradient_ND)))

    def tensors(self) -> dict[str, Tensor]:
        return self.state | {"seen": self.seen_R}

    def release(self) -> None:
        self.pending.clear()
        self._table.send_row_gradients(None)

    def move(self, step: Step) -> None:
        if not self.pending:
            return
        ids_N, gradient_ND = self.pending[0]
        if len(self.pending) > 1:
            ids_N, gradient_ND = (torch.cat(parts) for parts in zip(*self.pending, strict=True))
        self.pending.clear()
        if self._weight_RD.device.type == "cpu":
            self._run_kernel(ids_N.contiguous().numpy(), gradient_ND.contiguous(), step)
        else:
            self._move_by_torch(ids_N, gradient_ND.float(), step)

    def _run_kernel(self, ids_N: Ids, gradient_ND: Tensor, step: Step) -> None:
        if self._room is None or len(self._room.order_N) < len(ids_N):
            self._room = room_for(len(ids_N), gradient_ND.shape[1])
        if gradient_ND.dtype != torch.bfloat16:
            gradient_ND = gradient_ND.float()
        weight_RD, seen_R = self._weight_RD.numpy(), self.seen_R.numpy()
        ids_N = ids_N.astype(np.int64, copy=False)
        rows = RowGradients(weight_RD, float_array(gradient_ND), seen_R, step.l2, step.number)
        state = {name: value.view(len(weight_RD), -1).numpy() for name, value in self.state.items()}
        row_kernels.deal(ids_N, self._room)
        self._rule.run_kernel(rows, self._room, state, step)

    def _move_by_torch(self, ids_N: Tensor, gradient_ND: Tensor, step: Step) -> None:
        rows_U, place_N = torch.unique(ids_N, return_inverse=True)
        sums_UD = gradient_ND.new_zeros(len(rows_U), gradient_ND.shape[1]).index_add(0, place_N, gradient_ND)
        if step.l2 > 0:
            owed_U = (step.l2 * (step.number - self.seen_R[rows_U])).clamp(max=1)
            sums_UD += owed_U[:, None] * self._weight_RD[rows_U]
            self.seen_R[rows_U] = step.number
        state_U = {name: value[rows_U] for name, value in self.state.items()}
        self._weight_RD[rows_U] -= self._rule.change(state_U, sums_UD, step)
        for name, value in state_U.items():
            self.state[name][rows_U] = value
