"""The benchmark of the ranking family: what is compared alike, and who chooses a student."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from aisle.errors import ConfigError
from benchmarks import criteo
from benchmarks.criteo_models import MODELS, PLAIN


@pytest.mark.parametrize(
    ("name", "base", "attention"),
    [
        ("attention-dlrm, smaller layers", "dlrm, smaller layers", "beside"),
        ("attention-dlrm, replace", "dlrm", "replace"),
    ],
)
def test_attention_is_measured_beside_a_dlrm_of_the_same_layers(name: str, base: str, attention: str) -> None:
    ours, theirs = (MODELS[one].load().model for one in (name, base))
    assert (ours.dense_layers, ours.over_layers) == (theirs.dense_layers, theirs.over_layers)
    assert ours.attention == attention


def test_students_are_taught_alike() -> None:
    students = [criteo.student_entry(model, ["FOLDS-dlrm"]).load() for model in criteo.STUDENTS.values()]
    assert len({(str(one.distill), str(one.training)) for one in students}) == 1
    assert len({(str(one.inputs), str(one.model)) for one in students}) == len(students)


@pytest.mark.parametrize(
    ("logloss", "says"), [(0.4784, "it reaches the mean of 11 models"), (0.4785, "it does not reach the mean of 11")]
)
def test_validation_alone_chooses_the_student(logloss: float, says: str) -> None:
    students = {
        "a": {"metrics": {"valid/logloss": 0.47702, "test/auc": 0.7626, "test/logloss": logloss}},
        "b": {"metrics": {"valid/logloss": 0.47703, "test/auc": 0.7700, "test/logloss": 0.4700}},
    }
    notes = criteo.student_notes(students)
    assert "validation chooses: a log loss of 0.47702 on the validation rows, beside 0.47703 of `b`" in notes["a"]
    assert says in notes["a"] and notes["b"].startswith("not the student")


def test_plain_pytorch_is_measured_beside_what_has_the_same_settings() -> None:
    for name, ours in PLAIN.items():
        float32, bfloat16 = (MODELS[ours[precision]].load() for precision in ("float32", "bfloat16"))
        assert name.startswith(float32.model.kind) and float32.training.precision == "float32"
        training = float32.training.model_copy(update={"precision": "bfloat16"})
        assert bfloat16 == float32.model_copy(update={"training": training})


def _main(monkeypatch: pytest.MonkeyPatch, folder: Path, *arguments: str) -> dict[str, Any]:
    monkeypatch.setattr(sys, "argv", ["criteo", "--results", str(folder), *arguments])
    criteo.main()
    document: dict[str, Any] = json.loads((folder / "criteo.json").read_text())
    return document


def test_what_is_measured_alone_leaves_the_other_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def measure(names: list[str], seeds: list[int], directory: Path) -> dict[str, Any]:
        return {name: {"metrics": names} for name in [*criteo.REFERENCES, *names]}

    monkeypatch.setattr(criteo, "measure", measure)
    _main(monkeypatch, tmp_path, "--only", "fm;dcn")
    methods = _main(monkeypatch, tmp_path, "--only", "dcn;dnn")["methods"]
    measured_with = {name: method["metrics"] for name, method in methods.items()}
    first, second = ["fm", "dcn"], ["dcn", "dnn"]
    assert measured_with == {"logistic": first, "dlrm": first, "fm": first, "dcn": second, "dnn": second}
    with pytest.raises(ConfigError, match="name another folder by --results"):
        _main(monkeypatch, tmp_path, "--only", "fm", "--seeds", "0,1")


def test_an_unknown_model_is_named_beside_those_there_are(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        _main(monkeypatch, tmp_path, "--only", "fm;dlmr")
    told = capsys.readouterr().err
    assert "received dlmr" in told and "dlrm, smaller layers" in told
