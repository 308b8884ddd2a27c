"""The configuration of nearest-neighbour indexes: which kind, and what it trades for speed or memory.

Legend of sizes: V vectors, D dimensions, k results.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, NonNegativeInt, PositiveInt, TypeAdapter, ValidationError

from aisle.errors import ConfigError
from aisle.recipe.strict import Strict

NumBits = Annotated[int, Field(ge=4, le=8)]


class ExactSpec(Strict):
    """Scores every vector with NumPy. Misses nothing."""

    kind: Literal["exact"] = "exact"


class FlatSpec(Strict):
    """Scores every vector with FAISS. Misses nothing, and is faster for one query at a time."""

    kind: Literal["flat"] = "flat"


class Int8Spec(Strict):
    """Scores every vector from one byte per dimension instead of four.

    ``rerank``: keep the vectors too, and order the best ``rerank * k`` by their exact scores; 0: keep the bytes only.
    """

    kind: Literal["int8"] = "int8"
    rerank: NonNegativeInt = 0


class HnswSpec(Strict):
    """Walks a graph of near vectors. Quick to ask, slow to build, larger than the vectors alone.

    ``num_links`` per vector; ``ef_construction`` candidates a new vector's links are chosen from; ``ef_search``
    candidates a search keeps (at least ``2 * k``): more find more and take longer.
    """

    kind: Literal["hnsw"] = "hnsw"
    num_links: Annotated[int, Field(ge=4, le=256)] = 32
    ef_construction: PositiveInt = 200
    ef_search: PositiveInt = 128


class IvfSpec(Strict):
    """Scores the vectors of the ``num_probes`` lists (clusters) nearest to the query.

    ``num_lists``: missing: 4 times the square root of V, or as many as V vectors can train.
    """

    kind: Literal["ivf"] = "ivf"
    num_lists: PositiveInt | None = None
    num_probes: PositiveInt = 32


class PqSpec(Strict):
    """As IVF, but of a vector only a code is kept: of each ``dimensions_per_code`` dimensions ``num_bits`` bits.

    ``rerank``: keep the vectors too, and order the best ``rerank * k`` by their exact scores; 0: keep the codes only.
    """

    kind: Literal["pq"] = "pq"
    num_lists: PositiveInt | None = None
    num_probes: PositiveInt = 32
    dimensions_per_code: PositiveInt = 4
    num_bits: NumBits = 8
    rerank: NonNegativeInt = 10


def _by_name(value: Any) -> Any:
    """A kind's name alone stands for its defaults; ``faiss`` is the former name of ``flat``."""
    return {"kind": "flat" if value == "faiss" else value} if isinstance(value, str) else value


IndexSpec = Annotated[
    Annotated[ExactSpec | FlatSpec | Int8Spec | HnswSpec | IvfSpec | PqSpec, Field(discriminator="kind")],
    BeforeValidator(_by_name),
]
_ADAPTER: TypeAdapter[Any] = TypeAdapter(IndexSpec)
INDEX_KINDS = ("exact", "flat", "int8", "hnsw", "ivf", "pq")


def index_spec(value: Any) -> IndexSpec:
    """Settings from a kind's name, or from a mapping as :meth:`pydantic.BaseModel.model_dump` gives it.

    Raises:
        ConfigError: the kind or a setting is unknown.
    """
    try:
        spec: IndexSpec = _ADAPTER.validate_python(value)
    except ValidationError as error:
        reasons = "; ".join(details["msg"] for details in error.errors())
        raise ConfigError(f"index: expected one of {', '.join(INDEX_KINDS)}, received {value!r}: {reasons}") from None
    return spec
