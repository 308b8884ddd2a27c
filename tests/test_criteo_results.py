"""What the document of results says of the Criteo sample: which trials did not help, of numbers that are made up."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


@pytest.fixture
def results(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "docs"))
    return importlib.import_module("criteo_results")


def method(loss: float, model: str = "dlrm", **differences: tuple[float, float, float]) -> dict[str, Any]:
    metrics = {"test/auc": 1 - loss, "test/logloss": loss}
    found: dict[str, Any] = {"model": model, "parameters": 10, "metrics": metrics, "command": "aisle train x"}
    found["deviations"] = dict.fromkeys(metrics, 0.002)
    for name, (value, low, high) in differences.items():
        gaps = {"logloss": (value, low, high), "auc": (-value, -high, -low)}
        found[name] = {key: dict(zip(("value", "low", "high"), gap, strict=True)) for key, gap in gaps.items()}
    return found


def document(results: ModuleType, **methods: dict[str, Any]) -> str:
    return whole_document(results, **methods).partition("### What did not help")[2]


def whole_document(results: ModuleType, **methods: dict[str, Any]) -> str:
    named = {name.replace("__", " ").replace("_", ", "): one for name, one in methods.items()}
    logistic = {"logistic": method(0.48, "logistic"), "dlrm": method(0.484, minus_logistic=(0.004, 0.001, 0.007))}
    text: str = results.criteo_results(
        {"protocol": "p", "seeds": [0, 1], "reference": "logistic", "methods": {**logistic, **named}, "peers": {}}
    )
    return text


def test_paired_trials_that_help_are_left_out(results: ModuleType) -> None:
    harms = method(0.486, minus_dlrm=(0.002, 0.001, 0.003))
    ties = method(0.483, minus_dlrm=(-0.001, -0.003, 0.001))
    assert "| dlrm, bucketized | -0.0020 [-0.0030, -0.0010] | +0.0020 [+0.0010, +0.0030] | worse |" in document(
        results, dlrm_bucketized=harms
    )
    assert "-0.0010 [-0.0030, +0.0010] | no difference shown |" in document(results, dlrm_cat=ties)
    assert "dlrm, cat" not in document(results, dlrm_cat=method(0.48, minus_dlrm=(-0.004, -0.006, -0.002)))


def test_trials_without_an_interval_must_lie_within_the_spread_of_seeds(results: ModuleType) -> None:
    assert "| dlrm, bfloat16 | -0.0010 (seeds ± 0.0020) | +0.0010 (seeds ± 0.0020) |" in document(
        results, dlrm_bfloat16=method(0.485)
    )
    assert "dlrm, bfloat16" not in document(results, dlrm_bfloat16=method(0.488))


def test_models_are_told_apart_beside_the_simplest_one(results: ModuleType) -> None:
    text = document(results, fm=method(0.47, "fm", minus_logistic=(-0.01, -0.02, -0.001)))
    assert "better: 1 (`fm`); worse: 1 (`dlrm`); no difference shown: 0 (none)." in text


def test_our_kernels_stand_beside_plain_pytorch_where_they_were_compared(results: ModuleType) -> None:
    plain = {"minus_fm, plain PyTorch": (0.0019, -0.0001, 0.0039)}
    worse = {"minus_fm, plain PyTorch": (0.0021, 0.0011, 0.0031)}
    text = whole_document(
        results,
        **{"fm_plain__PyTorch": method(0.48, "fm"), "fm": method(0.4819, "fm", **plain)},
        **{"fm_bfloat16": method(0.4821, "fm", **worse), "afm": method(0.5, "afm")},
    ).partition("### Our kernels")[2]
    rows = [line for line in text.partition("###")[0].splitlines() if line.startswith("|")][2:]
    assert rows == [
        "| fm | plain PyTorch, float32 | 0.5200 ± 0.0020 | 0.4800 ± 0.0020 |  |  |  |",
        "|  | our kernels, float32 | 0.5181 ± 0.0020 | 0.4819 ± 0.0020 | -0.0019 [-0.0039, +0.0001] "
        "| +0.0019 [-0.0001, +0.0039] | no |",
        "|  | our kernels, bfloat16 | 0.5179 ± 0.0020 | 0.4821 ± 0.0020 | -0.0021 [-0.0031, -0.0011] "
        "| +0.0021 [+0.0011, +0.0031] | AUC and log loss |",
    ]
