"""What is served scores as what was trained: eager torch, the exported graph, and one candidate at a time."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from aisle.bundle import Bundle, BundleWriter
from aisle.errors import BundleError
from aisle.models import Ranker
from aisle.pipeline.calibration import PlattCalibrator
from aisle.pipeline.onnx_ranker import OnnxRanker
from aisle.train.engine.loop import train_ranker
from aisle.train.engine.loop_settings import LoopSettings
from aisle.train.engine.prediction import predict
from aisle.train.export import export_ranker
from tests.rankers import make_dlrm, make_field_dlrm, make_logistic_regression, make_rows

NAMES = ["recency", "price", "score"]


@pytest.fixture(scope="module", params=["dlrm", "field_dlrm", "logistic_regression"])
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Ranker, Path]:
    rankers: dict[str, Callable[[], Ranker]] = {
        "dlrm": lambda: make_dlrm(dropout=0.1),
        "field_dlrm": lambda: make_field_dlrm(dropout=0.1),
        "logistic_regression": make_logistic_regression,
    }
    ranker = rankers[request.param]()
    train_ranker(ranker, make_rows(2000), None, LoopSettings(batch_size=100, num_epochs=3, learning_rate=0.03))
    path = tmp_path_factory.mktemp(request.param) / "bundle"
    with BundleWriter(path) as writer:
        export_ranker(ranker, dense_names=NAMES, calibrator=PlattCalibrator(0.5, 1.0)).save(writer)
    return ranker, path


def test_the_exported_half_agrees_with_eager_and_with_one_at_a_time(exported: tuple[Ranker, Path]) -> None:
    ranker, path = exported
    served = OnnxRanker.load(Bundle.open(path))
    rows = make_rows(500, seed=7)
    eager = predict(ranker, rows)
    logits = served.logits(rows.dense_RN, rows.sparse_RS)
    alone = [served.logits(rows.dense_RN[n : n + 1], rows.sparse_RS[n : n + 1])[0] for n in range(40)]
    np.testing.assert_allclose(logits, eager, rtol=0, atol=1e-5)
    np.testing.assert_allclose(alone, eager[:40], rtol=0, atol=1e-5)
    assert logits.dtype == np.float32 and np.ptp(eager) > 1
    expected = 1 / (1 + np.exp(-(0.5 * eager.astype(np.float64) + 1)))
    np.testing.assert_allclose(served.probabilities(rows.dense_RN, rows.sparse_RS), expected, rtol=0, atol=1e-5)


def test_the_bundle_names_its_columns_and_takes_no_others(exported: tuple[Ranker, Path]) -> None:
    _, path = exported
    bundle = Bundle.open(path)
    served = OnnxRanker.load(bundle)
    assert served.dense_names == NAMES and served.sparse_names == ["f0", "f1"]
    assert served.logits(np.zeros((0, 3), np.float32), np.zeros((0, 2), np.int64)).shape == (0,)
    with pytest.raises(ValueError, match=r"\[K, 3\]"):
        served.logits(np.zeros((2, 2), np.float32), np.zeros((2, 2), np.int64))
    with pytest.raises(ValueError, match="f0, f1"):
        served.logits(np.zeros((2, 3), np.float32), np.zeros((2, 1), np.int64))


def test_tables_are_mapped_not_read(exported: tuple[Ranker, Path]) -> None:
    served = OnnxRanker.load(Bundle.open(exported[1]))
    weights = served.embeddings.table.arrays()["weights"]
    assert isinstance(weights.base, np.memmap) and not weights.flags.writeable


def test_serving_a_ranker_imports_no_torch(exported: tuple[Ranker, Path]) -> None:
    script = (
        "import sys, numpy as np\n"
        "from aisle.bundle import Bundle\n"
        "from aisle.pipeline.onnx_ranker import OnnxRanker\n"
        "ranker = OnnxRanker.load(Bundle.open(sys.argv[1]))\n"
        "ranker.probabilities(np.zeros((5, 3), np.float32), np.full((5, 2), 2))\n"
        "print(*{'torch', 'onnx', 'onnxscript', 'safetensors'} & set(sys.modules), 'done')\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", script, str(exported[1])]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, env=environment)
    assert done.stdout.split() == ["done"]


def test_names_must_be_as_many_as_features() -> None:
    with pytest.raises(ValueError, match="expected 3 names"):
        export_ranker(make_logistic_regression(), dense_names=["one"])


def test_a_bundle_of_another_content_is_refused(tmp_path: Path) -> None:
    for number, document in enumerate(({"kind": "hashed", "features": []}, {})):
        with BundleWriter(tmp_path / str(number)) as writer:
            writer.write_arrays("ranker/tables", {"weights": np.zeros((2, 1), np.float32)})
            writer.write_json("ranker/ranker", {"dense": [], "embeddings": document})
        with pytest.raises(BundleError, match=r"expected one of full|train again"):
            OnnxRanker.load(Bundle.open(tmp_path / str(number)))
