"""Runs every ranker forward and backward on a device that is not the processor, without one: no numbers, only places.

Such tensors know their device, shape and type, and an operation refuses tensors of two devices, as it does on a GPU. A
registered device cannot be taken back, so this is a process of its own.
"""

from __future__ import annotations

import os
from typing import Any

import torch
from torch import nn
from torch._subclasses import FakeTensorMode
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

from aisle.nn.losses import multi_task_bce, weighted_bce
from aisle.nn.sparse import SparseFeatures
from aisle.nn.tables import FullTable
from aisle.nn.tables.kinds import Full, Hashed, LowRank, QuotientRemainder, TableKind
from tests.contracts.rankers import FEATURES, NUM_DENSE, RankerCase
from tests.models.multi_task import test_registry as multi_task
from tests.models.ranking import test_registry as ranking
from tests.rankers import make_field_dlrm

DEVICE = "elsewhere"
NUM_ROWS = 5
KINDS: list[TableKind] = [Full(), Hashed(3), QuotientRemainder(3), LowRank(2)]


def put_elsewhere(model: nn.Module) -> None:
    """As ``model.to(device)``: what is neither a parameter nor a buffer stays behind."""
    for module in model.modules():
        for name, one in module._parameters.items():
            if one is not None:
                module._parameters[name] = nn.Parameter(torch.empty(one.shape, device=DEVICE))
        for name, buffer in module._buffers.items():
            if buffer is not None:
                module._buffers[name] = torch.empty(buffer.shape, dtype=buffer.dtype, device=DEVICE)


def step(model: Any, num_sparse: int) -> None:
    """Logits, loss and gradients of a batch, all on the device."""
    put_elsewhere(model)
    looked_up: list[torch.Tensor] = []
    for table in model.modules():
        if isinstance(table, FullTable):
            table.send_row_gradients(lambda *both: looked_up.extend(both))
    dense = torch.empty(NUM_ROWS, NUM_DENSE, device=DEVICE)
    logits = model(dense, SparseFeatures(torch.empty(NUM_ROWS, num_sparse, dtype=torch.int32, device=DEVICE)))
    label, weight = torch.empty_like(logits), torch.empty_like(logits)
    loss = (multi_task_bce if logits.ndim == 2 else weighted_bce)(logits, label, weight)
    loss.backward()
    dense_gradients = [one.grad for _, one in model.named_parameters() if one.grad is not None]
    assert looked_up and all(one.device.type == DEVICE for one in (loss, *looked_up, *dense_gradients))


def main() -> None:
    """Print how many models were run."""
    _setup_privateuseone_for_python_backend(DEVICE)
    # Models of histories check the values of lengths, and such tensors have no values.
    cases: list[RankerCase] = [case for case in [*ranking.CASES, *multi_task.CASES] if "histories" not in case.fields]
    models = [case.build(table_kind=kind) for case in cases for kind in (KINDS if case.kind == "dlrm" else KINDS[:1])]
    models = [getattr(model, "model", model) for model in models]  # of several tasks: all of their logits
    with_columns = [(model, len(FEATURES)) for model in models] + [(make_field_dlrm(), 2)]
    with FakeTensorMode():
        for model, num_sparse in with_columns:
            step(model, num_sparse)
    print(len(with_columns), flush=True)
    # PyTorch keeps a thread per device: one that holds Python objects while the interpreter ends aborts the process.
    os._exit(0)


if __name__ == "__main__":
    main()
