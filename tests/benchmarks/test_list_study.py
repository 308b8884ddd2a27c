"""Studies over lists: differences of pairs are paired, and papers stand beside our model of their name."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

from aisle.errors import DataError
from aisle.train.lists.registry import fit_lists
from aisle.train.lists.run import train_list_recipe
from benchmarks import lists
from benchmarks.list_study import Study
from tests.lists import make_list_recipe, write_lists

METRICS = ("test/hr@1/full", "test/ndcg@3/full")


def document_builder() -> ModuleType:
    path = Path(__file__).resolve().parents[2] / "docs" / "list_results.py"
    spec = importlib.util.spec_from_file_location("list_results", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_differences_of_pairs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    methods = {"popularity": ("small",), "markov": ("small",), "rules": ("small",)}
    pairs = (("markov", "popularity"), ("popularity", "markov"), ("rules", "markov"))
    study = Study("a cycle: small", "popularity", METRICS, methods, {"Markov (its author)": (0.5, 0.5)}, pairs=pairs)
    monkeypatch.setitem(lists.STUDIES, "small", study)
    train = write_lists(tmp_path / "lists.parquet")
    for name in ("popularity", "markov"):
        train_list_recipe(make_list_recipe(train, {"kind": name}), tmp_path / "small" / name, fit_lists)
    found = lists.collect("small", tmp_path)
    assert [(pair["method"], pair["minus"]) for pair in found["pairs"]] == list(pairs[:2]), "rules were not trained"
    for metric in METRICS:
        markov, popularity = (found["methods"][name]["metrics"][metric] for name in ("markov", "popularity"))
        one, other = (pair["metrics"][metric] for pair in found["pairs"])
        assert one["difference"] == pytest.approx(markov - popularity, abs=2e-5)
        assert one["low"] == pytest.approx(-other["high"]) and one["high"] == pytest.approx(-other["low"])
        assert one == found["methods"]["markov"]["minus_reference"][metric]


def test_what_was_written_stays_where_a_run_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    methods = {"popularity": ("small",), "markov": ("small",), "rules": ("small",)}
    pairs = (("markov", "popularity"), ("rules", "markov"))
    monkeypatch.setitem(lists.STUDIES, "small", Study("a cycle: small", "popularity", METRICS, methods, pairs=pairs))
    train = write_lists(tmp_path / "lists.parquet")
    old, new = tmp_path / "old", tmp_path / "new"
    for name in methods:
        train_list_recipe(make_list_recipe(train, {"kind": name}), old / "small" / name, fit_lists)
    for name, kind in {"popularity": "popularity", "rules": "markov"}.items():
        train_list_recipe(make_list_recipe(train, {"kind": kind}), new / "small" / name, fit_lists)
    written = lists.collect("small", old)
    found = lists.collect("small", new, written)
    assert list(found["methods"]) == list(methods)
    assert found["methods"]["markov"] == written["methods"]["markov"]
    assert (written["methods"]["rules"]["model"], found["methods"]["rules"]["model"]) == ("rules", "markov")
    assert len(written["pairs"]) == 2 and found["pairs"] == [], "a method of each pair is another now"
    alone = lists.collect("small", old, found, ["markov"])
    assert alone["methods"] == found["methods"] | {"markov": written["methods"]["markov"]}
    assert lists.collect("small", tmp_path / "none", written) == written
    monkeypatch.setitem(lists.STUDIES, "small", Study("a cycle: small", "markov", METRICS, methods))
    with pytest.raises(DataError, match=r"expected a finished run of markov, .*, received popularity, rules; train it"):
        lists.collect("small", new, written)


def test_papers_stand_beside_our_model_of_their_name_though_it_is_worse(tmp_path: Path) -> None:
    worth = {"sasrec": ("sasrec", 0.25), "rules": ("rules", 0.5), "mean of both": ("ensemble", 0.75)}
    gap = {metric: {"difference": -0.25, "low": -0.5, "high": -0.125} for metric in METRICS}
    study = {
        "title": "A shop, the next item: small",
        "reference": "rules",
        "metrics": METRICS,
        "methods": {
            name: {
                "model": model,
                "metrics": dict.fromkeys(METRICS, value),
                "command": "aisle train",
                "parameters": 0,
                "train_seconds": 1,
            }
            for name, (model, value) in worth.items()
        },
        "pairs": [{"method": "sasrec", "minus": "rules", "metrics": gap}],
        "others": {"SASRec (a paper)": [0.5, 0.375], "BERT4Rec (a paper)": [0.5, 0.5]},
        "same": {"SASRec (a paper)": "sasrec"},
    }
    (tmp_path / "lists.json").write_text(json.dumps({"studies": {"shop": study}}))
    table = document_builder().beside_papers(tmp_path).splitlines()
    assert table[2].endswith("| SASRec (a paper) 0.5000 / 0.3750 | sasrec 0.2500 / 0.2500 | rules 0.5000 / 0.5000 |")
    assert table[3] == "|  | BERT4Rec (a paper) 0.5000 / 0.5000 |  |  |"
    assert table[-1].endswith("The best of them on A shop: mean of both 0.7500 / 0.7500.")
    told = "-0.2500 [-0.5000, -0.1250]"
    assert f"| sasrec minus rules | {told} | {told} |" in document_builder().list_results(tmp_path)
