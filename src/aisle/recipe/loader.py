"""Recipes from files or by name, with ``--set`` overrides, and their resolved form."""

from __future__ import annotations

import copy
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from aisle.errors import ConfigError
from aisle.recipe.actions import ActionRecipe
from aisle.recipe.lists import ListRecipe
from aisle.recipe.shop import ShopRecipe
from aisle.recipe.strict import nearest, parse_strict, read_yaml
from aisle.recipe.table import TableRecipe

Recipe = ActionRecipe | ListRecipe | ShopRecipe | TableRecipe
#: Every kind of recipe; ``kind`` in the file chooses.
KINDS: dict[str, type[ActionRecipe] | type[ListRecipe] | type[ShopRecipe] | type[TableRecipe]] = {
    "action": ActionRecipe,
    "sequence": ListRecipe,
    "shop": ShopRecipe,
    "table": TableRecipe,
}


def names() -> list[str]:
    """The recipes that come with Aisle."""
    defaults = resources.files("aisle.recipe") / "defaults"
    return sorted(entry.name.removesuffix(".yaml") for entry in defaults.iterdir() if entry.name.endswith(".yaml"))


def load(path_or_name: str | Path, overrides: list[str] | tuple[str, ...] = ()) -> Recipe:
    """Read a recipe.

    Args:
        path_or_name: A YAML file, or the name of a recipe that comes with Aisle (``shop``, ``criteo``).
        overrides: ``a.b=value`` each, the value in YAML; a number steps into a list (``generators.0.top_n=50``). One
            that changes a block's ``kind`` (``model.kind=fm``) begins the block anew: what the file says there was
            meant for another kind. Such overrides come first.

    Raises:
        ConfigError: there is no such recipe, or something in it or in the overrides is wrong.
    """
    text, source = _read(path_or_name)
    data = read_yaml(text, source)
    if not isinstance(data, dict):
        raise ConfigError(f"{source}: expected a mapping of keys to values, received {data!r}")
    data = copy.deepcopy(data)  # YAML anchors share objects; an override must change one place only
    for override in sorted(overrides, key=lambda override: not override.partition("=")[0].strip().endswith(".kind")):
        _apply(data, override)
    kind = data.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise ConfigError(f"{source}: expected kind to be one of {', '.join(KINDS)}, received {kind!r}")
    return parse_strict(KINDS[kind], data, source)


def load_shop(path_or_name: str | Path, overrides: list[str] | tuple[str, ...] = ()) -> ShopRecipe:
    """Read a shop's recipe; see :func:`load`.

    Raises:
        ConfigError: as there, or it is the recipe of a table.
    """
    recipe = load(path_or_name, overrides)
    if not isinstance(recipe, ShopRecipe):
        raise ConfigError(
            f"{path_or_name}: expected the recipe of a shop (kind: shop), received kind: {recipe.kind}, which says how "
            "a model of data in files is trained and evaluated, without a workspace"
        )
    return recipe


def dump(recipe: Recipe) -> str:
    """The resolved recipe, every default written out; reading it gives the same recipe."""
    return yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def _read(path_or_name: str | Path) -> tuple[str, str]:
    path = Path(path_or_name)
    if path.suffix in (".yaml", ".yml") or path.is_file():
        try:
            return path.read_text(encoding="utf-8"), str(path)
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path}: the recipe cannot be read ({error})") from error
    name = str(path_or_name)
    if name not in names():
        raise ConfigError(f"no recipe {name!r}: {nearest(name, names())}; a file must end in .yaml")
    return (resources.files("aisle.recipe") / "defaults" / f"{name}.yaml").read_text(encoding="utf-8"), f"recipe {name}"


def _apply(data: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts):
        raise ConfigError(f"--set: expected KEY.KEY=VALUE, received {override!r}")
    value = read_yaml(text, f"--set {key}")
    place: Any = data
    for number, part in enumerate(parts):
        is_last = number == len(parts) - 1
        if isinstance(place, list):
            if not part.isdigit() or int(part) >= len(place):
                received = ".".join(parts[: number + 1])
                raise ConfigError(f"--set {key}: expected a number below {len(place)}, received {received!r}")
            index: Any = int(part)
        elif isinstance(place, dict):
            index = part
            if not is_last and place.get(part) is None:
                place[part] = {}
        else:
            raise ConfigError(f"--set {key}: {'.'.join(parts[:number])!r} is a value, it has no key {part!r}")
        if is_last:
            if part == "kind" and number and isinstance(place.get(part), str) and place[part] != value:
                place.clear()
            place[index] = value
        place = place[index]
