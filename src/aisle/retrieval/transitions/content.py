"""Content over lists: items vote for those whose texts are most alike, whoever took them.

Source: Lops et al., "Content-based recommender systems: state of the art and trends", Recommender Systems Handbook,
2011; the projection: Deerwester et al., "Indexing by latent semantic analysis", JASIS 1990.
Deviations: of each item the most similar ones alone have votes; how often items were taken orders what has none.

Legend of shapes: V items, W tokens, D dimensions.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from aisle.data.item_texts import ItemTexts
from aisle.data.questions import ListSplit
from aisle.errors import ConfigError, DataError
from aisle.pipeline.list_recommenders.item_votes import ItemVotes
from aisle.pipeline.list_recommenders.sparse_rows import strongest_of_rows
from aisle.pipeline.text import item_tokens
from aisle.progress import Progress, silent
from aisle.recipe.list_models.content import ListContentSpec, TfIdfSpec
from aisle.retrieval.content import choose_vocabulary, strongest_directions, tf_idf_rows
from aisle.retrieval.sentence_encoder import open_sentence_encoder

#: Items whose similarities to all others are worked out at once.
_BLOCK = 512
#: Less is rounding.
_LEAST = 1e-6


def fit_list_content(
    spec: ListContentSpec, split: ListSplit, *, seed: int = 0, progress: Progress = silent
) -> ItemVotes:
    """The votes of each item for those like it; nothing is drawn.

    Raises:
        ConfigError: the recipe names no texts of items.
        DataError: no two items share a token, or the model's files are not as expected.
        BackendUnavailableError: a sentence model needs a library that is not installed.
    """
    if split.item_texts is None:
        raise ConfigError(
            "content: expected a file of what items say, received none; name it: "
            "data.items={file: FILE, id: COLUMN, text: [COLUMN, ...]}"
        )
    progress("read texts", 0, split.num_items)
    vectors = _unit_vectors(spec, split.item_texts, progress)
    blocks = []
    for start in range(0, split.num_items, _BLOCK):
        progress("compare texts", start, split.num_items)
        cosines_BV = _dense(vectors[start : start + _BLOCK] @ vectors.T)
        rows_B = np.arange(len(cosines_BV))
        cosines_BV[rows_B, start + rows_B] = 0
        cosines_BV[cosines_BV < _LEAST] = 0
        blocks.append(strongest_of_rows(sparse.csr_matrix(cosines_BV), spec.neighbours))
    counts_V = np.bincount(split.train.items_E, minlength=split.num_items).astype(np.float32)
    return ItemVotes(sparse.vstack(blocks, format="csr"), counts_V, spec.history)


def _unit_vectors(
    spec: ListContentSpec, texts: ItemTexts, progress: Progress
) -> sparse.csr_matrix | NDArray[np.float32]:
    """A row of length 1 per item; zeros where it says nothing."""
    if isinstance(spec.text, TfIdfSpec):
        return _tf_idf_vectors(spec.text, texts)
    encoder = open_sentence_encoder(spec.text)
    sentences_V = [
        ", ".join([*filter(None, [words]), *labels])
        for words, labels in zip(texts.words_V, texts.labels_V, strict=True)
    ]
    return encoder.encode(sentences_V, progress)


def _tf_idf_vectors(spec: TfIdfSpec, texts: ItemTexts) -> sparse.csr_matrix | NDArray[np.float32]:
    tokens_V = [
        item_tokens(words, None, None) + [label.lower() for label in labels]
        for words, labels in zip(texts.words_V, texts.labels_V, strict=True)
    ]
    vocabulary, idf_W = choose_vocabulary(tokens_V, spec.min_items_per_token, spec.max_tokens)
    if len(vocabulary) < 2:
        raise DataError(
            f"content: expected two or more tokens that {spec.min_items_per_token} items share, received "
            f"{len(vocabulary)}; lower model.text.min_items_per_token or name other columns in data.items.text"
        )
    weights_VW = tf_idf_rows(tokens_V, vocabulary, idf_W)
    if spec.dimension is None:
        return weights_VW
    directions_DW = strongest_directions(weights_VW, min(spec.dimension, min(weights_VW.shape) - 1))
    vectors_VD = np.asarray(weights_VW @ directions_DW.T, np.float32)
    vectors_VD /= np.maximum(np.linalg.norm(vectors_VD, axis=1, keepdims=True), 1e-12)
    return vectors_VD


def _dense(product: Any) -> NDArray[np.float32]:
    return np.asarray(product if isinstance(product, np.ndarray) else product.toarray(), np.float32)
