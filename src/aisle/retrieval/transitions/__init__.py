"""Strong simple models of the next item: transitions, neighbours of sessions, content, and blends."""

from aisle.pipeline.list_recommenders.item_votes import ItemVotes
from aisle.pipeline.list_recommenders.session_neighbours import SessionNeighbours
from aisle.retrieval.transitions.blend import Blend, fit_blend
from aisle.retrieval.transitions.content import fit_list_content
from aisle.retrieval.transitions.next_item_ridge import fit_next_item_ridge
from aisle.retrieval.transitions.popularity import fit_popularity
from aisle.retrieval.transitions.rules import fit_markov, fit_rules
from aisle.retrieval.transitions.session_item_knn import fit_session_item_knn
from aisle.retrieval.transitions.vsknn import fit_vsknn

__all__ = [
    "Blend",
    "ItemVotes",
    "SessionNeighbours",
    "fit_blend",
    "fit_list_content",
    "fit_markov",
    "fit_next_item_ridge",
    "fit_popularity",
    "fit_rules",
    "fit_session_item_knn",
    "fit_vsknn",
]
