"""A workspace is a directory with settings and a store; its settings are strict."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from aisle.errors import ConfigError
from aisle.workspace import Settings, Workspace


def test_create_and_open(tmp_path: Path) -> None:
    workspace = Workspace.create(tmp_path / "shops" / "mine")
    assert workspace.config == Settings()
    assert workspace.store_path.exists()
    assert Workspace.open(workspace.directory).imports == workspace.directory / "imports"
    store = workspace.open_store()
    assert store.num_events() == 0
    store.close()


def test_create_again_keeps_what_is_there(tmp_path: Path) -> None:
    workspace = Workspace.create(tmp_path)
    workspace.settings_path.write_text("simulated: true\n")
    assert Workspace.create(tmp_path, simulated=True).config.simulated
    workspace.settings_path.write_text("simulatd: true\n")
    with pytest.raises(ConfigError, match="did you mean 'simulated'"):
        Workspace.create(tmp_path)


def test_open_where_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"found no aisle.yaml there; make one with: aisle init"):
        Workspace.open(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot make a workspace"):
        Workspace.create(tmp_path / "file")


def test_the_commented_defaults_are_the_defaults(tmp_path: Path) -> None:
    workspace = Workspace.create(tmp_path)
    lines = workspace.settings_path.read_text().splitlines()
    optional = [
        line.removeprefix("# ") for line in lines if line.startswith(("# placements:", "#   for-you:", "# budgets:"))
    ]
    assert len(optional) == 3
    assert Settings.model_validate(yaml.safe_load("\n".join(optional))) == Settings()


def test_settings(tmp_path: Path) -> None:
    workspace = Workspace.create(tmp_path)
    workspace.settings_path.write_text(
        "server: {admin_key: a-long-secret, allowed_origins: ['https://shop.example']}\n"
        "placements: {for-you: {repeat: exclude}}\n"
        "budgets: {retrieve_ms: 5}\n"
        "store:\n"
    )
    config = workspace.config
    assert config.server.admin_key == "a-long-secret"
    assert config.server.allowed_origins == ("https://shop.example",)
    assert config.placements.get("for-you").repeat == "exclude"
    assert config.placements.get("trending").repeat == "allow"
    assert config.placements.get("unheard-of").repeat == "allow"
    assert config.budgets.retrieve_ms == 5
    assert (config.max_per_category("for-you"), config.max_per_brand("for-you")) == (None, None)


def test_rules_and_limits(tmp_path: Path) -> None:
    workspace = Workspace.create(tmp_path)
    workspace.settings_path.write_text(
        "placements: {for-you: {max_per_category: 4, max_per_brand: 3}}\n"
        "server: {rate_limits: {recommendations_per_second: 0.5, per_key: {events_per_second: 900, burst: 7}}}\n"
    )
    config = workspace.config
    assert (config.max_per_category("for-you"), config.max_per_brand("for-you")) == (4, 3)
    assert (config.max_per_category("popular"), config.max_per_brand("popular")) == (None, None)
    limits = config.server.rate_limits
    assert (limits.recommendations_per_second, limits.events_per_second, limits.burst) == (0.5, None, 100)
    assert (limits.per_key.events_per_second, limits.per_key.burst) == (900, 7)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("servr: {}", "unknown key 'servr', did you mean 'server'"),
        ("server: {admin_kee: long-enough}", "unknown key 'server.admin_kee', did you mean 'admin_key'"),
        ("placements: {for_yuo: {}}", "did you mean 'for-you'"),
        ("placements: {for-you: {zzz: 1}}", "expected one of max_per_brand, max_per_category, repeat"),
        ("placements: {for-you: {max_per_brand: 0}}", "'placements.for-you.max_per_brand'.*greater than or equal to 1"),
        ("server: {rate_limits: {burst: 0}}", "'server.rate_limits.burst'"),
        ("server: {rate_limits: {events_per_minute: 9}}", "did you mean 'events_per_second'"),
        ("server: {rate_limits: {per_key: {events_per_second: 0}}}", "'server.rate_limits.per_key.events_per_second'"),
        ("placements: {for-you: {repeat: never}}", "'placements.for-you.repeat'.*received 'never'"),
        ("budgets: {retrieve_ms: 0}", "'budgets.retrieve_ms'"),
        ("server: {admin_key: short}", "at least 8 characters"),
        ("- a list", "expected a mapping"),
        ("a: [", "expected YAML"),
    ],
)
def test_wrong_settings(text: str, message: str, tmp_path: Path) -> None:
    workspace = Workspace.create(tmp_path)
    workspace.settings_path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        _ = workspace.config


def test_a_secret_is_not_shown(tmp_path: Path) -> None:
    workspace = Workspace.create(tmp_path)
    workspace.settings_path.write_text("server: {write_key: [geheim]}")
    with pytest.raises(ConfigError) as error:
        _ = workspace.config
    assert "geheim" not in str(error.value)
