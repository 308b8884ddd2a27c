"""The recipe of a shop's whole pipeline: which generators are fitted and how they are blended."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from aisle.recipe.strict import Strict


class ShopRecipe(Strict):
    """How a shop's recommendations are made."""

    kind: Literal["shop"]
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", description="names the model in results")]
    seed: Annotated[int, Field(ge=0, lt=2**32, description="same seed, same machine, same result")] = 0
