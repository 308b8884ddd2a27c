"""Where the memory of training goes, by part: weights, their gradients, optimizers' state, and what the backward pass
needs of the forward pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import fields

import torch
from torch import Tensor, nn

from aisle.models import Ranker
from aisle.studies.observed_step import ObservedStep, Part
from aisle.train.engine.batches import Batch

#: By kind of memory: bytes by part.
Memory = dict[str, dict[str, int]]


class _Silent:
    """Listens to a step whose parts are asked for by somebody else."""

    def enter(self, part: Part) -> None:
        """Nothing."""

    def leave(self) -> None:
        """Nothing."""


def measure_memory(step: ObservedStep, ranker: Ranker, batch: Batch) -> Memory:
    """Learn from a batch, and count bytes.

    Returns:
        ``weights``, ``gradients`` (of dense weights; those of tables are never made), ``optimizer_state``, and
        ``activations``: what the forward pass keeps for the backward pass, which together is the peak between the two.
        Memory that several parts keep counts where it was kept first.
    """
    weights = [weight for _, weight in ranker.named_parameters()]
    activations = _activations(step, batch, weights)
    state: Counter[str] = Counter()
    for weight, tensors in step.optimizers.dense_state().items():
        state[step.name_of(weight)] += _bytes(tensors)
    # Only the tables of the collection are moved row by row.
    state["embeddings"] += _bytes(step.optimizers.table_state())
    sizes: Counter[str] = Counter()
    gradients: Counter[str] = Counter()
    for weight in weights:
        sizes[step.name_of(weight)] += _bytes([weight])
        gradients[step.name_of(weight)] += _bytes([] if weight.grad is None else [weight.grad])
    kinds = {"weights": sizes, "gradients": gradients, "optimizer_state": state, "activations": activations}
    return {kind: {part: count for part, count in counts.items() if count} for kind, counts in kinds.items()}


def batch_bytes(batch: Batch) -> int:
    """The bytes of a batch."""
    return _bytes(getattr(batch, field.name) for field in fields(batch))


def _activations(step: ObservedStep, batch: Batch, weights: Iterable[nn.Parameter]) -> Counter[str]:
    known = {_place(weight) for weight in weights} | {_place(getattr(batch, field.name)) for field in fields(batch)}
    counts: Counter[str] = Counter()

    def keep(tensor: Tensor) -> Tensor:
        # What is kept stays until the backward pass, so no two of them are at one place.
        if _place(tensor) not in known:
            known.add(_place(tensor))
            counts[step.at_work.name] += tensor.untyped_storage().nbytes()
        return tensor

    with step.observed_by(_Silent()), torch.autograd.graph.saved_tensors_hooks(keep, lambda kept: kept):
        step(batch)
    return counts


def _place(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _bytes(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)
