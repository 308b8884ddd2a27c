"""Small two-tower models whose answers are known: the towers only bring their inputs to length 1."""

from __future__ import annotations

import functools

import numpy as np
import torch
from numpy.typing import NDArray

from aisle.models.embedding_retrieval.two_tower import Tower
from aisle.pipeline.generators import TextEncoder, Towers
from aisle.pipeline.generators.towers import ItemFacts
from aisle.pipeline.history_pools import HistoryPools
from aisle.train.two_tower.fit import export_tower

#: Three words on three axes.
WORDS = {"tea": 0, "cup": 1, "lamp": 2}
TEXT = TextEncoder(WORDS, np.ones(3, np.float32), np.eye(3, dtype=np.float32))
FACTS = ItemFacts(TEXT, log_price_mean=2.0, log_price_scale=1.0)
NUM_FACTS, ID_DIM = 5, 2
HALF_LIFE_DAYS = 30.0


@functools.cache
def _graph(num_pools: int) -> bytes:
    """Sums the pools (and leaves query facts out), then brings ids and content to length 1; the price is left out."""
    in_size = num_pools * (ID_DIM + NUM_FACTS) + (3 + num_pools if num_pools > 1 else 0)
    tower = Tower(in_size, [1], ID_DIM + 3, generator=torch.Generator())
    with torch.no_grad():
        for parameter in tower.parameters():
            parameter.zero_()
        for pool in range(num_pools):
            for place in range(ID_DIM + 3):
                tower.skip.weight[place, pool * (ID_DIM + NUM_FACTS) + place] = 1.0
    return export_tower(tower)


def towers_of(titles: list[str], ids: dict[int, tuple[float, float]] | None = None) -> Towers:
    """Items from row 2 on by their titles, of which some have an id vector; rows 0 and 1 are reserved."""
    facts_VF = np.stack([FACTS.encode(title.split(), None) for title in ["", "", *titles]])
    ids_VE = np.zeros((len(facts_VF), ID_DIM), np.float32)
    for row, vector in (ids or {}).items():
        ids_VE[row] = vector
    known_V: NDArray[np.bool_] = facts_VF.any(axis=1) | ids_VE.any(axis=1)
    return Towers(
        facts=FACTS,
        pools=HistoryPools((HALF_LIFE_DAYS, None), 50),
        ids_VE=ids_VE,
        facts_VF=facts_VF,
        item_graph=_graph(1),
        query_graph=_graph(2),
        known_V=known_V,
    )
