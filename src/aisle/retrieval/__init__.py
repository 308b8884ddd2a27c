"""Classical models, fitted into the runtime kinds of generators."""

from aisle.retrieval.content import fit_content
from aisle.retrieval.cooccurrence import fit_cooccurrence
from aisle.retrieval.directed_rules import fit_transitions
from aisle.retrieval.ease import fit_ease
from aisle.retrieval.matrices import Signals, interaction_matrix, signal_events
from aisle.retrieval.popularity import fit_arrivals, fit_popularity, fit_trending
from aisle.retrieval.repeats import fit_repeats

__all__ = [
    "Signals",
    "fit_arrivals",
    "fit_content",
    "fit_cooccurrence",
    "fit_ease",
    "fit_popularity",
    "fit_repeats",
    "fit_transitions",
    "fit_trending",
    "interaction_matrix",
    "signal_events",
]
