"""The runtime kinds of candidate generators: plain data, no torch; ``retrieval`` and ``models`` fit into them."""

from aisle.errors import BundleError
from aisle.pipeline.generators.content import ContentGenerator, TextEncoder
from aisle.pipeline.generators.contract import Candidates, EncodesNewItems, Generator, greatest, top_candidates
from aisle.pipeline.generators.list_model import ListModelGenerator
from aisle.pipeline.generators.neighbours import NeighbourGenerator, NeighbourLists
from aisle.pipeline.generators.newcomers import NewcomerGenerator
from aisle.pipeline.generators.popularity import PopularityList
from aisle.pipeline.generators.repeats import RepeatGenerator
from aisle.pipeline.generators.sequence import SequenceGenerator
from aisle.pipeline.generators.towers import Towers
from aisle.pipeline.generators.two_tower import TwoTowerGenerator

KINDS: dict[str, type[Generator]] = {
    kind.kind: kind
    for kind in (
        ContentGenerator,
        ListModelGenerator,
        NeighbourGenerator,
        NewcomerGenerator,
        PopularityList,
        RepeatGenerator,
        SequenceGenerator,
        TwoTowerGenerator,
    )
}


def generator_kind(kind: str) -> type[Generator]:
    """The class of a kind named in a bundle.

    Raises:
        BundleError: this version of Aisle does not know the kind.
    """
    if kind not in KINDS:
        raise BundleError(f"expected a generator kind of {', '.join(sorted(KINDS))}, received {kind!r}; upgrade Aisle")
    return KINDS[kind]


__all__ = [
    "KINDS",
    "Candidates",
    "ContentGenerator",
    "EncodesNewItems",
    "Generator",
    "ListModelGenerator",
    "NeighbourGenerator",
    "NeighbourLists",
    "NewcomerGenerator",
    "PopularityList",
    "RepeatGenerator",
    "SequenceGenerator",
    "TextEncoder",
    "Towers",
    "TwoTowerGenerator",
    "generator_kind",
    "greatest",
    "top_candidates",
]
