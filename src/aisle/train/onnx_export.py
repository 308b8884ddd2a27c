"""Exports modules as ONNX graphs."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn

#: The ONNX operator set of exported graphs.
OPSET = 20
#: What torch's exporter says of itself on every export.
_KNOWN_WARNINGS = (
    r"`isinstance\(treespec, LeafSpec\)` is deprecated",
    r"# The axis name: .* will not be used",
)


def export_onnx(
    module: nn.Module,
    inputs: tuple[Tensor, ...],
    *,
    input_names: Sequence[str],
    output_name: str,
    batch_name: str = "rows",
    dynamic_shapes: tuple[dict[int, Any], ...] | None = None,
) -> bytes:
    """A module as an ONNX graph, for any number of rows from 1 on.

    Args:
        module: What is exported, as it evaluates.
        inputs: An example, all with one number of rows: two or more, for of one the exporter would conclude that there
            is always one.
        input_names: One per input.
        output_name: Of the one output.
        batch_name: What the graph calls the number of rows.
        dynamic_shapes: Which axes of each input may have any size; missing: the first of each, all alike.
    """
    rows = torch.export.Dim(batch_name, min=1)
    with torch.no_grad(), _quiet():
        program = torch.onnx.export(
            module.eval(),
            inputs,
            input_names=list(input_names),
            output_names=[output_name],
            dynamic_shapes=dynamic_shapes or tuple({0: rows} for _ in inputs),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    assert program is not None, "the dynamo exporter gives a program"
    model = program.model_proto
    # Where in which file each node was made: paths of the machine, which make equal graphs differ between machines.
    for part in (model, model.graph, *model.graph.node, *model.graph.input, *model.graph.output):
        del part.metadata_props[:]
    for part in (*model.graph.value_info, *model.graph.initializer):
        del part.metadata_props[:]
    return cast(bytes, model.SerializeToString())


@contextmanager
def _quiet() -> Iterator[None]:
    """Filter by name what the exporter says of itself; other warnings pass."""
    exporter = logging.getLogger("torch.onnx")
    level = exporter.level
    exporter.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            for message in _KNOWN_WARNINGS:
                warnings.filterwarnings("ignore", message=message)
            yield
    finally:
        exporter.setLevel(level)
