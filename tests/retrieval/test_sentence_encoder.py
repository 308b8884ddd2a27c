"""Pooling of token vectors by hand over a tiny graph, and what is told where a part is missing."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from aisle.errors import BackendUnavailableError, DataError
from aisle.recipe.list_models.content import SentenceSpec
from aisle.retrieval.sentence_encoder import SentenceEncoder, open_sentence_encoder

tokenizers: Any = pytest.importorskip("tokenizers", reason="aisle[text] is not installed")
#: The vectors of the tokens 0 (filling), 1, 2 and 3.
TOKENS_VD = np.array([[9, 9], [1, 0], [0, 1], [0, 3]], np.float32)


def by_letter() -> Any:
    """a, b and c are the tokens 1, 2 and 3; filled up with 0."""
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel({"[PAD]": 0, "a": 1, "b": 2, "c": 3}, "[PAD]"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Split(tokenizers.Regex("[abc]"), "isolated")
    tokenizer.enable_padding()
    return tokenizer


def graph(*inputs: str) -> bytes:
    """Looks up the vector of each token; the other inputs are not used."""
    node = helper.make_node("Gather", ["vectors", "input_ids"], ["hidden"])
    shape = ["texts", "tokens"]
    made = helper.make_graph(
        [node],
        "lookup",
        [helper.make_tensor_value_info(name, TensorProto.INT64, shape) for name in inputs],
        [helper.make_tensor_value_info("hidden", TensorProto.FLOAT, [*shape, 2])],
        [numpy_helper.from_array(TOKENS_VD, "vectors")],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    encoded: bytes = model.SerializeToString()
    return encoded


def test_the_mean_of_tokens_at_length_1_without_the_filling() -> None:
    encoder = SentenceEncoder(graph("input_ids", "attention_mask"), by_letter())
    vectors_ND = encoder.encode(["ac", "a", "", "acc"])
    expected_ND = [np.array([1, 3]) / 10**0.5, [1, 0], [0, 0], np.array([1, 6]) / 37**0.5]
    np.testing.assert_allclose(vectors_ND, np.array(expected_ND), atol=1e-6)


def test_the_first_token() -> None:
    encoder = SentenceEncoder(graph("input_ids"), by_letter(), "first")
    np.testing.assert_allclose(encoder.encode(["ac", "ba"]), [[1, 0], [0, 1]], atol=1e-6)


def test_many_texts_are_in_their_order() -> None:
    encoder = SentenceEncoder(graph("input_ids", "token_type_ids"), by_letter())
    texts = ["a" * (1 + place % 7) if place % 2 else "b" for place in range(150)]
    vectors_ND = encoder.encode(texts)
    assert vectors_ND[:, 0].tolist() == [float(place % 2) for place in range(150)]


def test_graphs_and_texts_that_do_not_fit() -> None:
    with pytest.raises(DataError, match="position_ids"):
        SentenceEncoder(graph("input_ids", "position_ids"), by_letter()).encode(["a"])
    with pytest.raises(DataError, match="empty"):
        SentenceEncoder(graph("input_ids"), by_letter()).encode(["", ""])


def test_what_is_missing_is_told_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = SentenceSpec(kind="sentence", folder=str(tmp_path))
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(DataError, match=r"model\.onnx"):
        open_sentence_encoder(spec)
    (tmp_path / "onnx").mkdir()
    (tmp_path / "onnx" / "model.onnx").write_bytes(graph("input_ids"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(BackendUnavailableError, match=r"aisle\[text\]"):
        open_sentence_encoder(spec)


def test_a_model_in_a_folder(tmp_path: Path) -> None:
    by_letter().save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "model.onnx").write_bytes(graph("input_ids", "attention_mask"))
    encoder = open_sentence_encoder(SentenceSpec(kind="sentence", folder=str(tmp_path), max_tokens=2))
    expected_ND = [[1, 0], np.array([1, 3]) / 10**0.5, np.array([1, 1]) / 2**0.5]
    np.testing.assert_allclose(encoder.encode(["a", "ac", "abccc"]), expected_ND, atol=1e-6)


def test_files_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    spec = SentenceSpec(kind="sentence", folder=str(tmp_path))
    (tmp_path / "tokenizer.json").write_text("[]")
    (tmp_path / "model.onnx").write_bytes(graph("input_ids"))
    with pytest.raises(DataError, match="one cannot be read"):
        open_sentence_encoder(spec)
    by_letter().save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "model.onnx").write_bytes(b"no graph")
    with pytest.raises(DataError, match="one cannot be read"):
        open_sentence_encoder(spec)
