"""Recipes: strict keys, overrides, the resolved form, and a loader that runs nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aisle.errors import ConfigError
from aisle.recipe import dump, load, names
from aisle.recipe.loader import _apply


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    return path


def test_every_recipe_that_comes_with_aisle_loads_and_is_what_its_name_says() -> None:
    assert "shop" in names()
    for name in names():
        assert load(name).name == name


def test_the_recipes_folder_of_a_clone_is_the_packages_own() -> None:
    clone = Path(__file__).parents[2] / "recipes"
    assert sorted(path.stem for path in clone.glob("*.yaml")) == names()
    assert load(clone / "shop.yaml") == load("shop")


def test_the_resolved_recipe_reads_back_as_itself(tmp_path: Path) -> None:
    for name in names():
        recipe = load(name, ["seed=41"])
        assert recipe.seed == 41
        assert load(write(tmp_path, dump(recipe))) == recipe


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kind: shop\nname: a\nsed: 1\n", "unknown key 'sed', did you mean 'seed'?"),
        ("kind: shop\nname: a\nseed: -1\n", "'seed': Input should be greater than or equal to 0, received -1"),
        ("kind: shop\nseed: 1\n", "'name' is missing"),
        ("kind: tabel\nname: a\n", "expected kind to be one of action, sequence, shop, table, received 'tabel'"),
        ("kind: [shop]\nname: a\n", "expected kind to be one of action, sequence, shop, table"),
        ("name: a\n", "expected kind to be one of action, sequence, shop, table, received None"),
        ("- kind\n", "expected a mapping"),
        ("", "expected a mapping"),
        ("kind: shop\nname: a\nseed: 1\nseed: 2\n", "line 4: the key 'seed' stands twice"),
        ("kind: [shop\n", "expected YAML"),
        ("kind: !!python/object/apply:os.system ['true']\n", "expected YAML"),
    ],
)
def test_a_wrong_file_is_refused_with_its_name_and_the_key(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(write(tmp_path, text))
    assert "mine.yaml: " in str(caught.value)
    assert message in str(caught.value)


def test_a_missing_recipe_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no recipe 'shopp': did you mean 'shop'"):
        load("shopp")
    with pytest.raises(ConfigError, match=r"absent\.yaml: the recipe cannot be read"):
        load(tmp_path / "absent.yaml")


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("a.b=2", {"a": {"b": 2, "list": [{"k": 1}, {"k": 2}]}, "c": 1}),
        ("a.list.1.k=9", {"a": {"b": 1, "list": [{"k": 1}, {"k": 9}]}, "c": 1}),
        ("a.list=[1e-3, yes]", {"a": {"b": 1, "list": [0.001, True]}, "c": 1}),
        ("c=null", {"a": {"b": 1, "list": [{"k": 1}, {"k": 2}]}, "c": None}),
        ("new.deep=x=y", {"a": {"b": 1, "list": [{"k": 1}, {"k": 2}]}, "c": 1, "new": {"deep": "x=y"}}),
    ],
)
def test_overrides_take_yaml_values_at_any_depth(override: str, expected: dict[str, object]) -> None:
    data = {"a": {"b": 1, "list": [{"k": 1}, {"k": 2}]}, "c": 1}
    _apply(data, override)
    assert data == expected


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("seed", "expected KEY.KEY=VALUE, received 'seed'"),
        ("=1", "expected KEY.KEY=VALUE"),
        ("a..b=1", "expected KEY.KEY=VALUE"),
        ("seed.deep=1", "'seed' is a value, it has no key 'deep'"),
        ("seed=[", "--set seed: expected YAML"),
        ("sead=1", "unknown key 'sead', did you mean 'seed'?"),
        ("seed=many", "'seed': Input should be a valid integer"),
    ],
)
def test_wrong_overrides_are_refused(override: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load("shop", [override])
    assert message in str(caught.value)


def test_a_number_outside_a_list_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"expected a number below 1, received 'a\.1'"):
        _apply({"a": [0]}, "a.1=3")


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_any_seed_survives_the_resolved_form(seed: int) -> None:
    assert f"seed: {seed}\n" in dump(load("shop", [f"seed={seed}"]))
