"""The contract of every ranker of the family; one enters with a line that names its kind and its small sizes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from aisle.models import Ranker
from aisle.models.ranking.registry import MODELS
from aisle.nn.embeddings import EmbeddingBagCollection, EmbeddingBagConfig
from aisle.nn.sparse import SparseFeatures
from aisle.nn.tables.kinds import Full, QuotientRemainder, TableKind
from aisle.pipeline.onnx_ranker import DENSE_INPUT, EMBEDDED_INPUT, LOGITS_OUTPUT
from aisle.train.export import export_graph

EMBEDDING_DIM = 4
FULL = Full()
HISTORY = ["last_0", "last_1", "last_2"]
#: Tables, their rows, and the features that share them.
TABLES = {"shape": (8, ["shape"]), "color": (7, ["color"]), "item": (9, ["item", *HISTORY])}
FEATURES = [name for _, names in TABLES.values() for name in names]
#: The last one is how many of the history's places are taken.
NUM_DENSE = 3


@dataclass(frozen=True)
class RankerCase:
    """A model to test.

    Attributes:
        kind: Its name in the registry.
        fields: Its sizes, small.
        learns_products: Whether it can learn what no sum of the ids' weights says.
        exports: Whether the export is tested too, which takes a second or more.
    """

    kind: str
    fields: dict[str, Any] = field(default_factory=dict)
    learns_products: bool = True
    exports: bool = False

    def __str__(self) -> str:
        return " ".join([self.kind, *(f"{name}={value}" for name, value in self.fields.items())])

    def build(self, seed: int = 0, table_kind: TableKind = FULL) -> Any:
        """The untrained model."""
        cls, generator = MODELS[self.kind], torch.Generator().manual_seed(seed)
        embeddings = make_embeddings(cls.table_width(EMBEDDING_DIM), table_kind, generator)
        return cls(embeddings, num_dense=NUM_DENSE, generator=generator, **self.fields)


def make_embeddings(width: int, table_kind: TableKind, generator: torch.Generator) -> EmbeddingBagCollection:
    """Tables of one kind, one of which several features share."""
    tables = [
        EmbeddingBagConfig(
            name=name, num_embeddings=rows, embedding_dim=width, feature_names=tuple(features), kind=table_kind
        )
        for name, (rows, features) in TABLES.items()
    ]
    return EmbeddingBagCollection(tables, generator=generator)


def draw_batch(num_rows: int, seed: int = 0) -> tuple[Tensor, SparseFeatures]:
    """Rows whose histories have any length, 0 included."""
    draw = np.random.default_rng(seed)
    length = draw.integers(0, len(HISTORY) + 1, num_rows)
    dense = np.column_stack([draw.normal(size=(num_rows, NUM_DENSE - 1)), length])
    ids = np.column_stack([draw.integers(1, rows, (num_rows, len(names))) for rows, names in TABLES.values()])
    ids[:, -len(HISTORY) :] *= np.arange(len(HISTORY)) < length[:, None]
    return torch.from_numpy(dense).float(), SparseFeatures(torch.from_numpy(ids))


class RankerContract:
    """Inherit, name it ``Test...`` and parametrize ``case``."""

    def test_it_is_a_ranker_that_gives_a_logit_per_row(self, case: RankerCase) -> None:
        model = case.build()
        assert isinstance(model, Ranker)
        dense, sparse = draw_batch(6)
        logits = model.eval()(dense, sparse)
        assert logits.shape == (6,)
        assert logits.dtype == torch.float32
        assert torch.equal(logits, model.score(dense, model.embeddings(sparse)))

    def test_a_batch_gives_what_its_rows_give_alone(self, case: RankerCase) -> None:
        model = scrambled(case.build()).eval()
        dense, sparse = draw_batch(9)
        with torch.no_grad():
            together = model(dense, sparse)
            alone = [model(dense[n : n + 1], SparseFeatures(sparse.ids_BS[n : n + 1])) for n in range(9)]
        torch.testing.assert_close(together, torch.cat(alone), rtol=1e-4, atol=1e-5)
        assert together.unique().numel() == 9, "rows are told apart"

    def test_first_weights_depend_on_the_generator_alone(self, case: RankerCase) -> None:
        one = case.build(4).state_dict()
        before = torch.get_rng_state()
        other = case.build(4).state_dict()
        assert torch.equal(torch.get_rng_state(), before), "the global generator is not touched"
        assert all(torch.equal(one[name], other[name]) for name in one)
        assert all(bool(value.isfinite().all()) for value in one.values())

    def test_a_gradient_reaches_every_parameter(self, case: RankerCase) -> None:
        model = scrambled(case.build()).train()
        model(*draw_batch(200)).square().sum().backward()
        without = [name for name, one in model.named_parameters() if one.grad is None or not one.grad.any()]
        assert without == []

    def test_saved_and_loaded_it_is_the_same(self, case: RankerCase) -> None:
        model, other = scrambled(case.build()).eval(), case.build(1).eval()
        batch = draw_batch(5)
        assert not torch.equal(other(*batch), model(*batch))
        other.load_state_dict(model.state_dict())
        assert torch.equal(other(*batch), model(*batch))

    def test_it_learns_a_product_of_two_ids_if_it_can(self, case: RankerCase) -> None:
        model = case.build().train()
        dense, sparse = draw_batch(300)
        label = ((sparse.ids_BS[:, 0] + sparse.ids_BS[:, 1]) % 2).float()
        loss = fit(model, dense, sparse, label)
        assert loss < 0.15 if case.learns_products else loss > 0.6, f"log loss {loss}"

    def test_it_learns_with_composed_tables(self, case: RankerCase) -> None:
        model = case.build(table_kind=QuotientRemainder(modulus=3)).train()
        dense, sparse = draw_batch(300)
        label = (sparse.ids_BS[:, 0] > 4).float()
        assert fit(model, dense, sparse, label, num_steps=60) < 0.3

    def test_short_products_stay_close(self, case: RankerCase) -> None:
        model = scrambled(case.build()).eval()
        dense, sparse = draw_batch(64)
        with torch.no_grad():
            exact = model(dense, sparse)
            with torch.autocast("cpu", torch.bfloat16):
                short = model(dense, sparse).float()
        assert float((short - exact).abs().max()) < 0.05 * float(exact.abs().max())
        model.train()
        with torch.autocast("cpu", torch.bfloat16):
            logits = model(dense, sparse)
        logits.float().sum().backward()
        assert all(one.grad is not None and one.grad.isfinite().all() for one in model.parameters())

    def test_exported_it_is_the_same(self, case: RankerCase) -> None:
        if not case.exports:
            return
        import onnxruntime

        model = scrambled(case.build()).eval()
        session = onnxruntime.InferenceSession(export_graph(model), providers=["CPUExecutionProvider"])
        for num_rows in (1, 7):
            dense, sparse = draw_batch(num_rows)
            with torch.no_grad():
                embedded = model.embeddings(sparse)
                expected = model.score(dense, embedded)
            inputs = {DENSE_INPUT: dense.numpy(), EMBEDDED_INPUT: embedded.numpy()}
            (logits,) = session.run([LOGITS_OUTPUT], inputs)
            np.testing.assert_allclose(logits, expected.numpy(), rtol=1e-4, atol=1e-5)


def scrambled(model: Any) -> Any:
    """The model with weights as if it had been trained: none is 0, vectors are not small."""
    generator = torch.Generator().manual_seed(9)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.empty_like(parameter).normal_(0.0, 0.2, generator=generator))
    return model


def fit(model: nn.Module, dense: Tensor, sparse: SparseFeatures, label: Tensor, num_steps: int = 300) -> float:
    """Train on one batch; the log loss at last."""
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    loss = torch.tensor(torch.inf)
    for _ in range(num_steps):
        loss = nn.functional.binary_cross_entropy_with_logits(model(dense, sparse), label)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if float(loss.detach()) < 0.1:
            break
    return float(loss.detach())
