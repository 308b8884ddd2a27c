"""From files to recommendations by commands alone: what was planted in a simulated shop is found."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from aisle.cli.entry import run
from tests.shops import planted_pairs


@pytest.fixture
def shop(trained_shop: Path, tmp_path: Path) -> Path:
    directory = shutil.copytree(trained_shop, tmp_path / "shop")
    (directory / "aisle.yaml").write_text("budgets: {retrieve_ms: 60000}")
    return directory


def recommend(shop: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    capsys.readouterr()
    assert run(["-C", str(shop), "recommend", "--json", *arguments]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["degraded"] == []
    return [item["item_id"] for item in report["items"]]


def test_planted_complements_are_bought_together(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pairs = planted_pairs(shop)
    assert len(pairs) >= 10
    answers = {
        one: recommend(shop, capsys, "--placement", "bought-together", "--item", one, "-n", "3") for one, _ in pairs
    }
    assert all(len(answer) == 3 for answer in answers.values())
    found = sum(other in answers[one] for one, other in pairs)
    first = sum(other == answers[one][0] for one, other in pairs)
    assert found / len(pairs) >= 0.9, f"{found} of {len(pairs)} among the first three"
    assert first / len(pairs) >= 0.8, f"{first} of {len(pairs)} in the first place"


def test_a_cart_asks_for_the_complements_of_its_items(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (one, complement), (other, second) = planted_pairs(shop)[:2]
    answer = recommend(shop, capsys, "--placement", "bought-together", "--item", one, "--item", other, "-n", "4")
    assert {complement, second} <= set(answer)
    assert not {one, other} & set(answer)
