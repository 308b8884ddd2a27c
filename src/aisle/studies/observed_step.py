"""A step of training that tells an observer, while it runs, which part is at work: the very step, with hooks around it.

A model's parts are its child modules, so it may be any. The backward pass is told part by part as well: autograd
numbers the nodes of its graph in the order in which the forward pass makes them, so a node is of the part that was at
work when its number was given, and hooks before and behind each node tell when it runs.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node
from torch.utils.hooks import RemovableHandle

from aisle.models import Ranker
from aisle.train.engine.batches import Batch
from aisle.train.engine.loop_settings import LoopSettings, optimizer_settings, training_loss
from aisle.train.engine.optimizers import Optimizers
from aisle.train.engine.step import TrainingStep

#: Data and what is of no part are of none of the three passes.
Phase = Literal["forward", "backward", "update", "other"]


class Part(NamedTuple):
    """Who is at work, and at what."""

    name: str
    phase: Phase


LOSS, DENSE_OPTIMIZER, TABLE_OPTIMIZER = "loss", "dense optimizer", "table optimizer"
#: Operations of the model outside its child modules.
REST_OF_MODEL = "rest of the model"
#: What is of no part: autograd's engine, conversions of the logits, forgetting gradients, reading the loss.
REST_OF_STEP = Part("rest of the step", "other")
#: The work of telling; no part of a step.
OBSERVING = Part("observing", "other")


class Observer(Protocol):
    """Told when a part begins, within another or not, and when the one that began last ends."""

    def enter(self, part: Part) -> None:
        """A part begins."""

    def leave(self) -> None:
        """It ends; the one around it goes on."""


class ObservedStep:
    """The training step of a model, to be run with an observer or without.

    Attributes:
        optimizers: Of the model.
        part_names: The names of the model's parts, in the order of its modules.

    Args:
        ranker: A torch module.
        settings: How it is trained.
    """

    def __init__(self, ranker: Ranker, settings: LoopSettings) -> None:
        if not isinstance(ranker, nn.Module):
            raise TypeError(f"expected a torch module, received {type(ranker).__name__}")
        self._modules = [*_child_parts(ranker), (REST_OF_MODEL, ranker)]
        self.part_names = list(dict.fromkeys(name for name, _ in self._modules))
        self._name_of = {id(weight): name for name, module in reversed(self._modules) for weight in module.parameters()}
        self.optimizers = _ObservedOptimizers(self, ranker, settings)
        self._training_loss = training_loss(ranker, settings)
        self._step = TrainingStep(ranker, self.optimizers, self._loss, settings.precision)
        self._observer: Observer | None = None
        #: Since which number of a node which part was at work.
        self._marks: list[tuple[int, Part]] = []
        self._at_work: list[Part] = []
        self._node_hooks: list[RemovableHandle] = []

    def __call__(self, batch: Batch) -> float:
        """Learn from a batch; gives its loss."""
        return self._step(batch)

    def name_of(self, weight: Tensor) -> str:
        """The part that a weight is of."""
        return self._name_of[id(weight)]

    @property
    def at_work(self) -> Part:
        """The innermost part."""
        return self._at_work[-1] if self._at_work else REST_OF_STEP

    @contextmanager
    def observed_by(self, observer: Observer) -> Iterator[None]:
        """Tell an observer of all steps in this context."""
        hooks: list[RemovableHandle] = self.optimizers.hooks()
        for name, module in self._modules:
            hooks.append(module.register_forward_pre_hook(self._entering(Part(name, "forward"))))
            hooks.append(module.register_forward_hook(self._leaving))
        self._observer = observer
        try:
            yield
        finally:
            self._observer = None
            self._at_work.clear()
            for hook in hooks + self._node_hooks:
                hook.remove()
            self._node_hooks.clear()

    @contextmanager
    def during(self, part: Part) -> Iterator[None]:
        """Tell the observer, if there is one, that a part is at work in this context."""
        if self._observer is None:
            yield
            return
        self._enter(part)
        yield
        self._leave()

    def _enter(self, part: Part) -> None:
        assert self._observer is not None, "hooks are there only while somebody observes"
        self._at_work.append(part)
        self._mark()
        self._observer.enter(part)

    def _leave(self) -> None:
        assert self._observer is not None, "hooks are there only while somebody observes"
        self._observer.leave()
        self._at_work.pop()
        self._mark()

    def _mark(self) -> None:
        if self.at_work.phase in ("forward", "other"):
            self._marks.append((torch.autograd._get_sequence_nr(), self.at_work))  # type: ignore[attr-defined]

    def _entering(self, part: Part) -> Callable[..., None]:
        return lambda *_: self._enter(part)

    def _leaving(self, *_: Any) -> None:
        self._leave()

    def _loss(self, logits_B: Tensor, batch: Batch) -> Tensor:
        with self.during(Part(LOSS, "forward")):
            loss = self._training_loss(logits_B, batch)
        if self._observer is not None:
            with self.during(OBSERVING):
                self._observe_backward(loss)
        return loss

    def _observe_backward(self, loss: Tensor) -> None:
        for hook in self._node_hooks:
            hook.remove()
        self._node_hooks.clear()
        starts = [start for start, _ in self._marks]
        for node in _graph(loss.grad_fn):
            if hasattr(node, "variable"):  # it adds to a weight's gradient, and has no number of its own
                name = self._name_of[id(node.variable)]
            else:
                name = self._marks[bisect_right(starts, node._sequence_nr()) - 1][1].name
            self._node_hooks.append(node.register_prehook(self._entering(Part(name, "backward"))))
            self._node_hooks.append(node.register_hook(self._leaving))
        self._marks.clear()


class _ObservedOptimizers(Optimizers):
    """Optimizers that tell when they are at work."""

    def __init__(self, step: ObservedStep, ranker: Ranker, settings: LoopSettings) -> None:
        super().__init__(ranker, optimizer_settings(settings))
        self._observed = step

    def step(self, *args: Any, **kwargs: Any) -> None:
        """Tell who moves: what is not the dense optimizer, whose own hooks tell of it, is the tables'."""
        with self._observed.during(Part(TABLE_OPTIMIZER, "update")):
            super().step(*args, **kwargs)

    def hooks(self) -> list[RemovableHandle]:
        """Hooks of the dense optimizer."""
        part = Part(DENSE_OPTIMIZER, "update")
        return [
            self._dense.register_step_pre_hook(self._observed._entering(part)),
            self._dense.register_step_post_hook(self._observed._leaving),
        ]

    def dense_state(self) -> dict[Tensor, list[Tensor]]:
        """The dense optimizer's tensors by weight."""
        return {weight: list(values.values()) for weight, values in self._dense.state.items()}

    def table_state(self) -> list[Tensor]:
        """The table optimizer's tensors."""
        return [] if self._tables is None else list(self._tables.state_dict().values())


def _child_parts(ranker: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """The child modules, with the name of their part; a list of modules is one part."""
    for name, child in ranker.named_children():
        members = child if isinstance(child, nn.ModuleList) else [child]
        yield from ((name.replace("_", " "), member) for member in members)


def _graph(root: Node | None) -> Iterator[Any]:
    """The nodes of a backward pass, each once."""
    waiting, seen = [root], set()
    while waiting:
        node = waiting.pop()
        if node is not None and node not in seen:
            seen.add(node)
            yield node
            waiting.extend(parent for parent, _ in node.next_functions)
