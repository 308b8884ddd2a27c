"""Every kind of embedding table looks up in serving what it looked up in training, through a bundle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from aisle.bundle import Bundle, BundleWriter
from aisle.models.ranking import DLRM
from aisle.nn.embeddings import EmbeddingBagCollection, EmbeddingBagConfig
from aisle.nn.sparse import KeyedJaggedTensor, SparseFeatures
from aisle.nn.tables import Full, Hashed, LowRank, QuotientRemainder, TableKind, Thresholded
from aisle.pipeline.calibration import PlattCalibrator
from aisle.pipeline.embedding_lookup import EmbeddingLookup, JaggedIds
from aisle.pipeline.onnx_ranker import OnnxRanker
from aisle.train.engine.loop import train_ranker
from aisle.train.engine.loop_settings import LoopSettings
from aisle.train.engine.prediction import predict
from aisle.train.export import export_ranker
from tests.rankers import NUM_DENSE, TABLE_ROWS, generator, make_rows

ROWS, DIM = 40, 6
KINDS: dict[str, TableKind] = {
    "full": Full(),
    "hashed": Hashed(7),
    "thresholded": Thresholded(11),
    "mult": QuotientRemainder(9),
    "add": QuotientRemainder(9, "add"),
    "concat": QuotientRemainder(9, "concat"),
    "narrow": LowRank(2),
    "wide": LowRank(12),
}


def _collection(kinds: list[TableKind]) -> EmbeddingBagCollection:
    tables = [
        EmbeddingBagConfig(
            name=f"t{n}",
            num_embeddings=ROWS + n,
            embedding_dim=DIM,
            feature_names=(f"f{n}",),
            bag_names=(f"b{n}",),
            pooling="sum" if n % 2 else "mean",
            kind=kind,
        )
        for n, kind in enumerate(kinds)
    ]
    embeddings = EmbeddingBagCollection(tables, generator=generator())
    embeddings.start_normal(1.0, generator=generator(1))  # numbers in which an error would show
    return embeddings


@pytest.mark.parametrize("names", [[name, name] for name in KINDS] + [list(KINDS)], ids=[*KINDS, "all"])
def test_torch_and_numpy_look_up_the_same(names: list[str], tmp_path: Path) -> None:
    embeddings = _collection([KINDS[name] for name in names])
    with BundleWriter(tmp_path / "bundle") as writer:
        document = embeddings.serving_half().save(writer, "tables")
    served = EmbeddingLookup.load(Bundle.open(tmp_path / "bundle"), "tables", document)

    draw = np.random.default_rng(3)
    ids = draw.integers(-2, ROWS + 12, (200, len(names)))
    lengths = draw.integers(0, 4, 200 * len(names))
    values = draw.integers(-2, ROWS + 12, lengths.sum())
    bags = KeyedJaggedTensor.from_lengths(
        tuple(embeddings.bag_names), torch.from_numpy(values), torch.from_numpy(lengths)
    )
    jagged = []
    for key in bags.keys:
        part, starts = bags.key(key)
        jagged.append(JaggedIds(part.numpy(), np.append(starts.numpy(), len(part))))
    eager = embeddings(SparseFeatures(torch.from_numpy(ids), bags)).detach().numpy()
    np.testing.assert_allclose(served.lookup(ids, jagged), eager, rtol=0, atol=1e-5)
    assert eager.std() > 0.5


@pytest.mark.parametrize("name", KINDS)
def test_what_is_served_scores_as_what_was_trained(name: str, tmp_path: Path) -> None:
    tables = [
        EmbeddingBagConfig(
            name=f"t{n}",
            num_embeddings=rows,
            embedding_dim=4,
            feature_names=(f"f{n}",),
            kind=KINDS[name] if n else Full(),
        )
        for n, rows in enumerate(TABLE_ROWS)
    ]
    ranker = DLRM(
        EmbeddingBagCollection(tables, generator=generator()),
        num_dense=NUM_DENSE,
        dense_layers=(8,),
        over_layers=(16,),
        generator=generator(1),
    )
    before = predict(ranker, make_rows(500, seed=7))
    train_ranker(ranker, make_rows(2000), None, LoopSettings(batch_size=100, num_epochs=2, learning_rate=0.03))
    with BundleWriter(tmp_path / "bundle") as writer:
        export_ranker(ranker, dense_names=["a", "b", "c"], calibrator=PlattCalibrator(0.5, 1.0)).save(writer)
    served = OnnxRanker.load(Bundle.open(tmp_path / "bundle"))
    rows = make_rows(500, seed=7)
    eager = predict(ranker, rows)
    np.testing.assert_allclose(served.logits(rows.dense_RN, rows.sparse_RS), eager, rtol=0, atol=1e-5)
    assert np.abs(eager - before).max() > 0.5
