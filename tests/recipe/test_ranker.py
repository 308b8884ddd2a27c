"""A recipe's ranker: what it may rank, and how a wrong key is answered."""

from __future__ import annotations

from pathlib import Path

import pytest

from aisle import recipe as recipes
from aisle.errors import ConfigError

BASE = """
kind: shop
name: ranked
generators: {popular: {kind: popularity, half_life_days: [10]}, own: {kind: repeats, half_life_days: [30], due: false}}
placements:
  for-you: {asks_with: history, fit: next-window, sources: [popular_10d, own_30d]}
  bought-together: {asks_with: items, fit: baskets, sources: [popular_10d, own_30d]}
  popular: {asks_with: history, fit: none, sources: [popular_10d]}
ranker: {model: {kind: logistic}}
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "ranked.yaml"
    path.write_text(BASE)
    return path


def test_the_defaults(path: Path) -> None:
    ranker = recipes.load(path).ranker
    assert ranker is not None
    assert (ranker.placement, ranker.model.kind, ranker.training.warm_start) == ("for-you", "logistic", False)


def test_it_can_be_left_out_and_written_out(path: Path, tmp_path: Path) -> None:
    assert recipes.load(path, ["ranker=null"]).ranker is None
    recipe = recipes.load(path, ["ranker.training.warm_start=true", "ranker.model.kind=field-dlrm"])
    (tmp_path / "again.yaml").write_text(recipes.dump(recipe))
    assert recipes.load(tmp_path / "again.yaml") == recipe


@pytest.mark.parametrize("placement", ["bought-together", "popular", "elsewhere"])
def test_it_ranks_only_what_visitors_take_next(path: Path, placement: str) -> None:
    with pytest.raises(ConfigError) as refused:
        recipes.load(path, [f"ranker.placement={placement}"])
    assert f"ranker.placement: expected a placement with fit: next-window (for-you), received '{placement}'" in str(
        refused.value
    )


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("ranker.modl={}", "unknown key 'ranker.modl', did you mean 'model'?"),
        ("ranker.training.learnin_rate=1", "'ranker.training.learnin_rate', did you mean 'learning_rate'?"),
        ("ranker.examples.snapshot=3", "'ranker.examples.snapshot', did you mean 'snapshots'?"),
        ("ranker.model.num_bucket=3", "did you mean 'num_buckets'?"),
        ("ranker.model.kind=dlmr", "'dlmr'"),
        ("ranker.model.num_buckets=1", "ranker.model.logistic.num_buckets"),
        ("ranker.training.list_power=2", "ranker.training.list_power"),
    ],
)
def test_a_wrong_key_or_value_is_named(path: Path, override: str, message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        recipes.load(path, [override])
    assert message in str(refused.value)
