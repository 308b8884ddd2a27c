"""How serving runs an exported graph."""

from __future__ import annotations

import onnxruntime


def open_session(graph: bytes) -> onnxruntime.InferenceSession:
    """A graph on the processor, safe to share among threads."""
    return onnxruntime.InferenceSession(graph, sess_options=_options(), providers=["CPUExecutionProvider"])


def _options() -> onnxruntime.SessionOptions:
    """One thread per request, nodes one after another: requests run beside each other, so more would only contend."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 3  # errors only
    return options
