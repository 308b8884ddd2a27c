"""Typed configuration: what a recipe may say, and how it is read, overridden and written out in full."""

from aisle.recipe.loader import dump, load, names
from aisle.recipe.shop import ShopRecipe
from aisle.recipe.strict import Strict, parse_strict, read_yaml

__all__ = ["ShopRecipe", "Strict", "dump", "load", "names", "parse_strict", "read_yaml"]
