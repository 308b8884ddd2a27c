"""The kinds of generators by name, as bundles say them."""

from __future__ import annotations

import pytest

from aisle.errors import BundleError
from aisle.pipeline.generators import KINDS, generator_kind


def test_every_kind_is_found_by_its_name() -> None:
    assert sorted(KINDS) == [
        *("content", "list_model", "neighbours", "newcomers", "popularity", "repeats", "sequence", "two_tower"),
    ]
    assert all(generator_kind(kind).kind == kind for kind in KINDS)


def test_a_kind_that_nobody_knows_is_refused() -> None:
    with pytest.raises(BundleError, match=r"expected a generator kind of .*, received 'oracle'; upgrade Aisle"):
        generator_kind("oracle")
