"""aisle demo: a whole shop in one command, made up where the real one cannot be had; never a quality claim then."""

from __future__ import annotations

import json
import urllib.error
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aisle.cli import demo
from aisle.cli.entry import run
from aisle.data import datasets, simulate
from aisle.data.simulate import Simulated
from aisle.errors import BackendUnavailableError
from aisle.workspace import Workspace


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo's simulated shop, small enough to train in a moment."""
    simulate_shop: Callable[..., Simulated] = simulate.simulate_shop
    monkeypatch.setattr(simulate, "simulate_shop", lambda **sizes: simulate_shop(60, 40, sizes["num_days"]))


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No data on this machine, and no network."""

    def refuse(*arguments: Any, **options: Any) -> None:
        raise urllib.error.URLError("no network")

    monkeypatch.delenv("AISLE_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(datasets.urllib.request, "urlopen", refuse)


def test_a_simulated_shop_from_nothing_to_numbers(
    small: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = tmp_path / "demo"
    assert run(["-C", str(directory), "demo", "--dataset", "simulated", "--no-serve"]) == 0
    captured = capsys.readouterr()
    assert captured.out.count(demo.BANNER) == 2, "at the start, and before any number"
    assert captured.out.rindex(demo.BANNER) < captured.out.index("shop-temporal (")
    assert "for-you" in captured.out
    assert "ease_mix" in captured.out
    assert "basket-completion (" in captured.out
    for stage in ("items: 60 accepted", "events: ", "fit generators: ", "baselines: "):
        assert stage in captured.err, "progress throughout"
    workspace = Workspace.open(directory)
    assert workspace.config.simulated
    (run_directory,) = workspace.runs.iterdir()
    assert set(json.loads((run_directory / "evaluate.json").read_text())["methods"]) >= {"for-you", "ease_mix"}
    assert run(["-C", str(directory), "recommend", "--json", "-n", "3"]) == 0
    assert len(json.loads(capsys.readouterr().out)["items"]) == 3
    assert run(["-C", str(directory), "evaluate"]) == 0
    assert capsys.readouterr().out.startswith("Simulated data: these numbers test the machinery and claim nothing")


def test_a_second_demo_goes_on_with_what_is_there(
    small: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["-C", str(tmp_path / "demo"), "demo", "--dataset", "simulated", "--no-serve"]
    assert run(command) == 0
    first = capsys.readouterr().err
    assert run(command) == 0
    second = capsys.readouterr().err
    accepted = next(line for line in first.splitlines() if line.startswith("events: ") and "accepted" in line)
    number = accepted.split()[1]
    assert f"events: 0 accepted, {number} there before" in second
    assert len(list((tmp_path / "demo" / "runs").iterdir())) == 2


def test_without_data_and_network_it_says_so_and_simulates(
    small: None, offline: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["demo", "--no-serve"]) == 0
    captured = capsys.readouterr()
    assert "No real data: data set 'online_retail' is neither in AISLE_DATA (not set) nor in" in captured.err
    assert "cannot be reached (no network)" in captured.err
    assert demo.BANNER in captured.out
    assert Workspace.open(tmp_path / "aisle-demo").config.simulated


def test_real_data_that_was_asked_for_is_not_replaced(
    offline: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["-C", str(tmp_path / "demo"), "demo", "--dataset", "online_retail", "--no-serve"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "cannot be reached (no network); connect to a network, or put the table at" in captured.err
    assert not (tmp_path / "demo").exists()


def test_made_up_data_is_not_mixed_into_a_real_shop(
    small: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Workspace.create(tmp_path / "mine")
    assert run(["-C", str(tmp_path / "mine"), "demo", "--dataset", "simulated", "--no-serve"]) == 1
    assert "holds a real shop; choose another directory for made-up data (aisle -C DIR ...)" in capsys.readouterr().err


def test_the_banner_is_for_made_up_data_only(
    small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Here the simulated events stand in for the real ones, so that the way of a real shop is walked quickly."""
    shop = simulate.simulate_shop(num_days=180)
    monkeypatch.setattr(datasets, "load", lambda *arguments: demo_data(shop))
    assert run(["-C", str(tmp_path / "demo"), "demo", "--no-serve"]) == 0
    captured = capsys.readouterr()
    assert "SIMULATED" not in captured.out
    assert "left out, not_a_product: 3 lines" in captured.err
    assert not Workspace.open(tmp_path / "demo").config.simulated


def demo_data(shop: Simulated) -> object:
    from aisle.data.online_retail import Prepared

    return Prepared(shop.items, shop.events, {"not_a_product": 3})


def test_the_error_that_leads_to_the_simulated_shop_is_that_of_a_missing_backend(offline: None) -> None:
    with pytest.raises(BackendUnavailableError):
        datasets.find(datasets.get("online_retail"))
