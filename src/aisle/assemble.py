"""From a recipe to the objects that do what it says."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from aisle.data.snapshots import Snapshot
from aisle.errors import BackendUnavailableError, ConfigError
from aisle.pipeline.generators import Generator
from aisle.recipe import ShopRecipe
from aisle.recipe.generators import (
    ArrivalsSpec,
    ContentSpec,
    CooccurrenceSpec,
    EaseSpec,
    PopularitySpec,
    RepeatsSpec,
    TrendingSpec,
    TwoTowerSpec,
)
from aisle.retrieval import (
    Signals,
    fit_arrivals,
    fit_content,
    fit_cooccurrence,
    fit_ease,
    fit_popularity,
    fit_repeats,
    fit_trending,
)

_Fit = Callable[[str, Any, Snapshot, Signals], Sequence[Generator]]


def _fit_two_tower(name: str, spec: TwoTowerSpec, snapshot: Snapshot, signals: Signals) -> Sequence[Generator]:
    try:
        import torch  # noqa: F401  # only where a recipe has such a generator
    except ImportError as error:
        raise BackendUnavailableError(
            f"generators.{name}: expected PyTorch to train a two-tower model, it is not installed; "
            "pip install 'aisle[train]', or leave the generator out of the recipe"
        ) from error
    from aisle.train.two_tower import fit_two_tower

    return fit_two_tower(name, spec, snapshot, signals)


#: One line per kind of generator.
FITS: dict[type, _Fit] = {
    ArrivalsSpec: fit_arrivals,
    ContentSpec: fit_content,
    CooccurrenceSpec: fit_cooccurrence,
    EaseSpec: fit_ease,
    PopularitySpec: fit_popularity,
    RepeatsSpec: fit_repeats,
    TrendingSpec: fit_trending,
    TwoTowerSpec: _fit_two_tower,
}


def generator_fitter(
    recipe: ShopRecipe, report: Callable[[str, float], None] | None = None
) -> Callable[[Snapshot], Mapping[str, Generator]]:
    """A function that fits all generators of a recipe on a snapshot.

    Args:
        recipe: Says which.
        report: Told each generator's name and seconds.

    Raises:
        ConfigError: two generators would have one name (when fitting).
    """
    signals = Signals(recipe.signals, recipe.target)

    def fit(snapshot: Snapshot) -> Mapping[str, Generator]:
        fitted: dict[str, Generator] = {}
        for name, spec in recipe.generators.items():
            started = time.perf_counter()
            for generator in FITS[type(spec)](name, spec, snapshot, signals):
                if generator.name in fitted:
                    raise ConfigError(f"generators: two sources are named {generator.name!r}; rename one of them")
                fitted[generator.name] = generator
            if report is not None:
                report(name, time.perf_counter() - started)
        return fitted

    return fit
