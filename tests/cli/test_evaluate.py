"""aisle evaluate: the latest run beside baselines, as a table and as pure JSON; a bundle is refused."""

from __future__ import annotations

import json

import pytest

from aisle.evaluate import baskets
from aisle.evaluate.baselines import basket_baselines, user_baselines
from aisle.recipe import load
from aisle.retrieval import Signals
from tests.cli.conftest import Shell

SIGNALS = Signals({"purchase": 1.0}, "purchase")


def test_beside_baselines(trained_shell: Shell) -> None:
    report = trained_shell.json("evaluate", "--baselines")
    assert json.loads((trained_shell.run_directory() / "evaluate.json").read_text()) == report
    metrics = json.loads((trained_shell.run_directory() / "metrics.json").read_text())
    assert report["protocol"] == "shop-temporal"
    recipe = load(trained_shell.run_directory() / "recipe.yaml")
    stages = {"for-you by blend"} if recipe.ranker is not None else set()
    of_ranker = report["ranker"]["metrics"] if recipe.ranker is not None else {}
    assert ("test/auc/candidates" in of_ranker) == (recipe.ranker is not None)
    assert report["methods"]["for-you"]["role"] == "placement"
    assert report["methods"]["for-you"]["metrics"] | of_ranker == metrics["metrics"]
    left_out = set(report["left_out"])
    assert left_out <= {"als"}
    assert set(report["methods"]) == {"for-you", *stages, *user_baselines(SIGNALS)} - left_out
    baselines = set(report["methods"]) - {"for-you", *stages}
    assert {report["methods"][name]["role"] for name in baselines} == {"baseline"}
    assert report["counts"] == metrics["counts"]
    assert set(report["paired"]["differences"]) == set(report["methods"]) - {"for-you"}
    for name, intervals in report["intervals"].items():
        for metric, (low, high) in intervals.items():
            assert low <= report["methods"][name]["metrics"][metric] <= high
    (carts,) = report["more"]
    assert carts["protocol"] == "basket-completion"
    assert set(carts["methods"]) == {"bought-together", *basket_baselines(SIGNALS)}
    assert carts["counts"]["baskets"] > 50
    hits = {name: one["metrics"]["test/hr@10/full"] for name, one in carts["methods"].items()}
    assert hits["bought-together"] > 0.2


def test_one_protocol_without_baselines(trained_shell: Shell) -> None:
    report = trained_shell.json("evaluate", "--protocol", "basket-completion")
    assert report["protocol"] == "basket-completion"
    assert set(report["methods"]) == {"bought-together"}
    assert "more" not in report


def test_for_people_one_table_for_each_protocol(trained_shell: Shell) -> None:
    code, out, _ = trained_shell("evaluate", str(trained_shell.run_directory()))
    assert code == 0
    assert out.startswith("shop-temporal (candidates ")
    assert "\nbasket-completion (baskets " in out
    header = out.splitlines()[1].split()
    assert header[:3] == ["method", "role", "ndcg@20/all"]
    assert out.splitlines()[2].split()[:2] == ["for-you", "placement"]


def test_a_bundle_is_refused_and_its_run_named(trained_shell: Shell) -> None:
    run_directory = trained_shell.run_directory()
    code, out, err = trained_shell("evaluate", str(run_directory / "bundle"))
    assert (code, out) == (1, "")
    assert "a bundle was fitted on all data, the test windows included; evaluate its run instead" in err
    assert str(run_directory) in err
    code, _, err = trained_shell("evaluate", str(run_directory / "splits"))
    assert code == 1
    assert "expected a run directory with metrics.json" in err


def test_without_a_run(trained_shell: Shell) -> None:
    trained_shell.run_directory().rename(trained_shell.directory / "elsewhere")
    code, _, err = trained_shell("evaluate")
    assert code == 1
    assert "expected a finished run, found none; run `aisle train` first" in err
    assert trained_shell("evaluate", str(trained_shell.directory / "nowhere"))[0] == 2


def test_baskets_where_there_are_none(trained_shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baskets, "MIN_BASKET_ITEMS", 10**6)
    code, _, err = trained_shell("evaluate", "--protocol", "basket-completion")
    assert code == 1
    assert "basket-completion: expected baskets of 3 or more known items" in err
    assert trained_shell.json("evaluate")["protocol"] == "shop-temporal", "the other protocol is not disturbed"
