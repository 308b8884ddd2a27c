"""Sentence embeddings by an exported transformer on this machine: a tokenizer, an ONNX graph, pooling.

Source: Reimers and Gurevych, "Sentence-BERT: sentence embeddings using Siamese BERT-networks", EMNLP 2019.

Legend of shapes: N texts, B texts at once, T tokens, D dimensions.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from aisle.errors import BackendUnavailableError, DataError
from aisle.pipeline.onnx_session import open_session
from aisle.progress import Progress, silent
from aisle.recipe.list_models.content import SentenceSpec

_AT_ONCE = 64


class Encoding(Protocol):
    """The tokens of one text, filled up to the longest of its batch."""

    ids: list[int]
    attention_mask: list[int]
    type_ids: list[int]


class Tokenizer(Protocol):
    """What turns texts into tokens."""

    def encode_batch(self, texts: list[str]) -> Sequence[Encoding]:
        """The tokens of each text, all of one length."""
        ...


class SentenceEncoder:
    """Vectors of length 1 of texts.

    Args:
        graph: ONNX: ``input_ids``, and where it has them ``attention_mask`` and ``token_type_ids`` [B, T], to vectors
            of tokens [B, T, D] or of texts [B, D] as its first output.
        tokenizer: Cuts and fills up.
        pooling: Of tokens to a text: their mean, or the first.
    """

    def __init__(self, graph: bytes, tokenizer: Tokenizer, pooling: Literal["mean", "first"] = "mean") -> None:
        self._session = open_session(graph)
        self._tokenizer = tokenizer
        self._pooling = pooling

    def encode(self, texts: Sequence[str], progress: Progress = silent) -> NDArray[np.float32]:
        """The vectors [N, D]; zeros for an empty text."""
        order_N = sorted(range(len(texts)), key=lambda place: len(texts[place]))
        places = [place for place in order_N if texts[place]]
        if not places:
            raise DataError("expected texts of items, received empty ones alone")
        parts = []
        for start in range(0, len(places), _AT_ONCE):
            progress("encode texts", start, len(places))
            parts.append(self._encode([texts[place] for place in places[start : start + _AT_ONCE]]))
        vectors_ND = np.zeros((len(texts), parts[0].shape[1]), np.float32)
        vectors_ND[places] = np.concatenate(parts)
        return vectors_ND

    def _encode(self, texts: list[str]) -> NDArray[np.float32]:
        encodings = self._tokenizer.encode_batch(texts)
        mask_BT = np.array([one.attention_mask for one in encodings], np.int64)
        feeds: dict[str, NDArray[Any]] = {
            "input_ids": np.array([one.ids for one in encodings], np.int64),
            "attention_mask": mask_BT,
            "token_type_ids": np.array([one.type_ids for one in encodings], np.int64),
        }
        wanted = {one.name for one in self._session.get_inputs()}
        if not wanted <= set(feeds):
            raise DataError(
                f"expected a graph with the inputs {', '.join(feeds)}, received {', '.join(sorted(wanted))}"
            )
        vectors = np.asarray(self._session.run(None, {name: feeds[name] for name in wanted})[0], np.float32)
        if vectors.ndim == 3:
            mask_BT1 = mask_BT[:, :, None].astype(np.float32)
            mean_BD = (vectors * mask_BT1).sum(axis=1) / np.maximum(mask_BT1.sum(axis=1), 1)
            vectors = mean_BD if self._pooling == "mean" else vectors[:, 0]
        vectors_BD: NDArray[np.float32] = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        return vectors_BD


def open_sentence_encoder(spec: SentenceSpec) -> SentenceEncoder:
    """The model of a folder; see :class:`SentenceSpec`.

    Raises:
        BackendUnavailableError: the library ``tokenizers`` is not installed.
        DataError: a file is missing or not as expected.
    """
    folder = Path(spec.folder)
    graphs = [path for path in (folder / "model.onnx", folder / "onnx" / "model.onnx") if path.is_file()]
    words = folder / "tokenizer.json"
    if not graphs or not words.is_file():
        raise DataError(
            f"{folder}: expected tokenizer.json and model.onnx (or onnx/model.onnx), one is missing; put an exported "
            "sentence embedding model there and name the folder in model.text.folder"
        )
    if importlib.util.find_spec("tokenizers") is None:
        raise BackendUnavailableError(
            "sentence: expected the library tokenizers, it is not installed; pip install 'aisle[text]'"
        )
    import tokenizers

    try:
        tokenizer: Any = tokenizers.Tokenizer.from_file(str(words))
        tokenizer.enable_truncation(spec.max_tokens)
        tokenizer.enable_padding()
        return SentenceEncoder(graphs[0].read_bytes(), tokenizer, spec.pooling)
    except Exception as error:  # both libraries raise nothing narrower
        raise DataError(
            f"{folder}: expected a tokenizer in {words.name} and an ONNX graph in {graphs[0].name}, one cannot be read "
            f"({error}); export the sentence embedding model anew"
        ) from error
