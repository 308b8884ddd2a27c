"""Fits a two-tower model on a snapshot, and gives its sources: nearest items, and a quota of newcomers.

On a CPU and with the same number of threads, the same seed gives the same vectors.

Legend of shapes: V item rows, F item facts, H pools, N history entries, C candidates.
"""

from __future__ import annotations

import logging

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from aisle.data.snapshots import FIRST_ROW, Snapshot
from aisle.errors import DataError
from aisle.models.embedding_retrieval import TwoTower
from aisle.models.embedding_retrieval.two_tower import Tower
from aisle.nn.softmax_losses import sampled_softmax
from aisle.pipeline.generators import Generator, NewcomerGenerator, TextEncoder, Towers, TwoTowerGenerator
from aisle.pipeline.generators.newcomers import NEVER_MS
from aisle.pipeline.generators.towers import TOWER_INPUT, TOWER_OUTPUT, UNKNOWN_ROW, ItemFacts
from aisle.pipeline.history_pools import HistoryPools
from aisle.pipeline.text import item_tokens
from aisle.recipe.generators import ContentSpec, TwoTowerSpec
from aisle.retrieval import Signals
from aisle.retrieval.content import fit_encoder
from aisle.train.engine.schedules import linear_decay
from aisle.train.onnx_export import export_onnx
from aisle.train.two_tower.examples import BatchSettings, TowerBatch, TowerExamples

logger = logging.getLogger(__name__)


def fit_two_tower(name: str, spec: TwoTowerSpec, snapshot: Snapshot, signals: Signals) -> list[Generator]:
    """The sources ``NAME`` and, with a quota, ``NAME_new``; none where nobody took anything twice.

    Raises:
        DataError: the loss is not finite.
    """
    facts, facts_VF = fit_item_facts(spec, snapshot)
    has_id_V = _has_id(spec, snapshot, signals)
    known_V = has_id_V | facts_VF.any(axis=1)
    pools = HistoryPools(tuple(spec.history_half_lives_days), spec.max_history)
    settings = BatchSettings(spec.batch_size, spec.positives_per_query, spec.negatives, spec.horizon_days)
    examples = TowerExamples(snapshot, signals, known_V, pools, settings, max_queries=spec.max_queries)
    if examples.num_queries == 0:
        return []
    id_rows_V = np.where(has_id_V, np.arange(len(has_id_V)), UNKNOWN_ROW)
    model = train_two_tower(spec, examples, facts_VF, id_rows_V)
    towers = Towers(
        facts=facts,
        pools=pools,
        ids_VE=model.ids_VE.detach().numpy()[id_rows_V],
        facts_VF=facts_VF,
        item_graph=export_tower(model.item_tower),
        query_graph=export_tower(model.query_tower),
        known_V=known_V,
    )
    return _sources(name, spec, towers, _first_taken_ms(snapshot, signals))


def _sources(name: str, spec: TwoTowerSpec, towers: Towers, first_taken_ms_V: NDArray[np.int64]) -> list[Generator]:
    nearest = TwoTowerGenerator(name, towers, towers_name=name, temperature=spec.temperature, index=spec.index)
    if spec.newcomer_quota == 0:
        return [nearest]
    newcomers = NewcomerGenerator(
        f"{name}_new",
        towers,
        towers_name=name,
        temperature=spec.temperature,
        first_taken_ms_V=first_taken_ms_V,
        newcomer_days=spec.newcomer_days,
        quota=spec.newcomer_quota,
    )
    return [nearest, newcomers]


def fit_item_facts(spec: TwoTowerSpec, snapshot: Snapshot) -> tuple[ItemFacts, NDArray[np.float32]]:
    """How items are read, and the facts [V, F] of the snapshot's items."""
    catalogue = snapshot.catalogue.select("title", "category", "brand", "price")
    tokens_V = [item_tokens(title, category, brand) for title, category, brand, _ in catalogue.iter_rows()]
    encoder = fit_encoder(
        tokens_V,
        ContentSpec(
            kind="content",
            dimension=spec.content_dimension,
            min_items_per_token=spec.min_items_per_token,
            max_tokens=spec.max_tokens,
        ),
    )
    if encoder is None:  # too few texts: items are their ids alone
        encoder = TextEncoder({}, np.zeros(0, np.float32), np.zeros((0, 1), np.float32))
    prices = catalogue["price"].cast(pl.Float64)
    log_prices = np.log1p(np.maximum(prices.drop_nulls().drop_nans().to_numpy(), 0))
    mean = float(log_prices.mean()) if len(log_prices) else 0.0
    spread = float(log_prices.std()) if len(log_prices) else 0.0
    facts = ItemFacts(encoder, mean, spread if spread > 0 else 1.0)
    facts_VF = np.zeros((snapshot.num_items, facts.num_facts), np.float32)
    for row, (tokens, price) in enumerate(zip(tokens_V, prices, strict=True), FIRST_ROW):
        facts_VF[row] = facts.encode(tokens, price)
    return facts, facts_VF


def _has_id(spec: TwoTowerSpec, snapshot: Snapshot, signals: Signals) -> NDArray[np.bool_]:
    """Items taken often enough for a vector of their own; the others share that of the unknown id."""
    taken = snapshot.of_type(signals.target)["item"].to_numpy()
    has_id: NDArray[np.bool_] = np.bincount(taken, minlength=snapshot.num_items) >= spec.min_events_per_id
    has_id[:FIRST_ROW] = False
    return has_id


def _first_taken_ms(snapshot: Snapshot, signals: Signals) -> NDArray[np.int64]:
    first = snapshot.of_type(signals.target).group_by("item").agg(pl.col("time_ms").min())
    first_ms_V = np.full(snapshot.num_items, NEVER_MS, np.int64)
    first_ms_V[first["item"].to_numpy()] = first["time_ms"].to_numpy()
    return first_ms_V


def train_two_tower(
    spec: TwoTowerSpec, examples: TowerExamples, facts_VF: NDArray[np.float32], id_rows_V: NDArray[np.int64]
) -> TwoTower:
    """Train a new model.

    Args:
        spec: How.
        examples: What it learns from.
        facts_VF: Facts by item row.
        id_rows_V: Each item's row in the table of ids (1: it shares the unknown one).

    Raises:
        DataError: the loss is not finite.
    """
    model = TwoTower(
        torch.tensor(facts_VF),
        num_pools=len(spec.history_half_lives_days),
        num_query_facts=HistoryPools(tuple(spec.history_half_lives_days), spec.max_history).num_facts,
        id_dim=spec.id_dimension,
        dim=spec.dimension,
        hidden=spec.hidden,
        generator=torch.Generator().manual_seed(spec.seed),
    )
    draw = np.random.default_rng(spec.seed)
    optimizer = _optimizer(model, spec)
    num_steps = spec.num_epochs * examples.num_batches
    step = 0
    for epoch in range(spec.num_epochs):
        losses = []
        for batch in examples.epoch(draw):
            for group in optimizer.param_groups:
                group["lr"] = spec.learning_rate * linear_decay(step, num_steps)
            loss = batch_loss(model, batch, id_rows_V, spec, draw)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it without types
            optimizer.step()
            losses.append(float(loss.detach()))
            step += 1
        logger.info("two-tower: epoch %d of %d, loss %.4f", epoch + 1, spec.num_epochs, np.mean(losses))
        if not np.isfinite(losses).all():
            raise DataError("two-tower: expected a finite loss, received another; lower its learning_rate")
    return model


def batch_loss(
    model: TwoTower, batch: TowerBatch, id_rows_V: NDArray[np.int64], spec: TwoTowerSpec, draw: np.random.Generator
) -> Tensor:
    """The loss of one batch, some ids being dropped to the unknown one."""

    def id_rows(rows: NDArray[np.int64]) -> Tensor:
        kept = draw.random(len(rows), np.float32) >= spec.unknown_rate
        return torch.tensor(np.where(kept, id_rows_V[rows], UNKNOWN_ROW))

    query_BD = model.query_vectors(
        torch.tensor(batch.history_rows_N),
        id_rows(batch.history_rows_N),
        torch.tensor(batch.starts_B),
        torch.tensor(batch.weights_HN),
        torch.tensor(batch.query_facts_BG),
    )
    item_CD = model.item_vectors(torch.tensor(batch.candidates_C), id_rows(batch.candidates_C))
    return sampled_softmax(
        query_BD @ item_CD.T / spec.temperature,
        torch.tensor(batch.positives_BP),
        torch.tensor(batch.hits_BC),
        torch.tensor(batch.log_inclusion_C),
    )


def _optimizer(model: TwoTower, spec: TwoTowerSpec) -> torch.optim.Optimizer:
    towers = [*model.item_tower.parameters(), *model.query_tower.parameters()]
    groups = [
        {"params": towers, "weight_decay": spec.weight_decay},
        {"params": [model.ids_VE], "weight_decay": spec.id_weight_decay},
    ]
    return torch.optim.AdamW(groups, lr=spec.learning_rate, fused=True)


def export_tower(tower: Tower) -> bytes:
    """A tower as an ONNX graph from ``inputs`` [K, I] to ``vectors`` [K, D]."""
    return export_onnx(
        tower,
        (torch.zeros(3, tower.in_size),),
        input_names=[TOWER_INPUT],
        output_name=TOWER_OUTPUT,
        batch_name="rows",
    )
