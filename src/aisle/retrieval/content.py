"""Content similarity: TF-IDF of titles, categories and brands, projected by a truncated SVD.

Source: Deerwester et al., "Indexing by latent semantic analysis", JASIS 1990.

Legend of shapes: V item rows, W vocabulary size, D dimensions.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import svds

from aisle.data.snapshots import FIRST_ROW, Snapshot
from aisle.pipeline.generators import ContentGenerator, TextEncoder
from aisle.pipeline.text import item_tokens
from aisle.recipe.generators import ContentSpec
from aisle.retrieval.matrices import Signals

#: Up to so many cells the decomposition is dense: where there are fewer directions than are asked for, the iterative
#: one goes on from random vectors, and no two fits are the same.
_DENSE_CELLS = 250_000


def fit_content(name: str, spec: ContentSpec, snapshot: Snapshot, signals: Signals) -> list[ContentGenerator]:
    """The encoder and the vectors of all items with a text; no source where the catalogue has too few texts."""
    no_text: list[str] = []
    tokens_V = [no_text] * FIRST_ROW + [
        item_tokens(title, category, brand)
        for title, category, brand in snapshot.catalogue.select("title", "category", "brand").iter_rows()
    ]
    encoder = fit_encoder(tokens_V, spec)
    if encoder is None:
        return []
    vectors_VD = np.stack([encoder.encode(tokens) for tokens in tokens_V])
    return [ContentGenerator(name, encoder, vectors_VD, half_life_days=spec.history_half_life_days, index=spec.index)]


def fit_encoder(tokens_of_items: list[list[str]], spec: ContentSpec) -> TextEncoder | None:
    """Choose the vocabulary, weigh it, and find the projection; ``None`` where fewer than two tokens are shared."""
    vocabulary, idf_W = choose_vocabulary(tokens_of_items, spec.min_items_per_token, spec.max_tokens)
    if len(vocabulary) < 2:
        return None
    weights_VW = tf_idf_rows(tokens_of_items, vocabulary, idf_W)
    dimension = min(spec.dimension, min(weights_VW.shape) - 1)
    directions_DW = strongest_directions(weights_VW, dimension)
    return TextEncoder(vocabulary, idf_W, np.ascontiguousarray(directions_DW.T, np.float32))


def choose_vocabulary(
    tokens_of_items: list[list[str]], min_items: int, max_tokens: int
) -> tuple[dict[str, int], np.ndarray]:
    """The most frequent tokens that at least so many items have, by row, and their inverse document frequencies [W]."""
    document_counts = Counter(token for tokens in tokens_of_items for token in set(tokens))
    frequent = [(count, token) for token, count in document_counts.items() if count >= min_items]
    frequent = sorted(frequent, key=lambda entry: (-entry[0], entry[1]))[:max_tokens]
    vocabulary = {token: row for row, token in enumerate(sorted(token for _, token in frequent))}
    num_documents = sum(1 for tokens in tokens_of_items if tokens)
    counts_W = np.array([document_counts[token] for token in vocabulary], np.float64)
    return vocabulary, (np.log((1 + num_documents) / (1 + counts_W)) + 1).astype(np.float32)


def strongest_directions(weights_VW: sparse.csr_matrix, dimension: int) -> np.ndarray:
    """The right singular vectors [D, W] of the greatest singular values; those of value 0 say nothing."""
    if weights_VW.shape[0] * weights_VW.shape[1] <= _DENSE_CELLS:
        _, values, directions = np.linalg.svd(weights_VW.toarray(), full_matrices=False)
        values, directions = values[:dimension], directions[:dimension]
    else:
        start = np.random.default_rng(0).standard_normal(min(weights_VW.shape))
        _, values, directions = svds(weights_VW, k=dimension, v0=start)
    strongest: np.ndarray = directions[values > 1e-3 * values.max()]
    return strongest


def tf_idf_rows(tokens_of_items: list[list[str]], vocabulary: dict[str, int], idf_W: np.ndarray) -> sparse.csr_matrix:
    """The weights of each item's tokens, at length 1: [V, W]."""
    rows, columns, values = [], [], []
    for row, tokens in enumerate(tokens_of_items):
        counts = Counter(vocabulary[token] for token in tokens if token in vocabulary)
        if not counts:
            continue
        weights = np.array([(1 + np.log(count)) * idf_W[column] for column, count in counts.items()])
        rows += [row] * len(counts)
        columns += list(counts)
        values += list(weights / np.linalg.norm(weights))
    shape = (len(tokens_of_items), len(vocabulary))
    return sparse.csr_matrix((np.array(values, np.float32), (rows, columns)), shape=shape)
