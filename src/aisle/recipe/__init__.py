"""Typed configuration: what a recipe may say, and how it is read, overridden and written out in full."""

from aisle.recipe.actions import ActionRecipe
from aisle.recipe.lists import ListRecipe
from aisle.recipe.loader import Recipe, dump, load, load_shop, names
from aisle.recipe.shop import ShopRecipe
from aisle.recipe.strict import Strict, parse_strict, read_yaml
from aisle.recipe.table import TableRecipe

__all__ = [
    "ActionRecipe",
    "ListRecipe",
    "Recipe",
    "ShopRecipe",
    "Strict",
    "TableRecipe",
    "dump",
    "load",
    "load_shop",
    "names",
    "parse_strict",
    "read_yaml",
]
