"""From recipes to what the loop trains: models of sequences."""

from __future__ import annotations

import torch
from torch import nn

from aisle.data.questions import ListSplit
from aisle.models.sequential.hstu import HSTUEncoder
from aisle.models.sequential.sasrec import SASRecEncoder
from aisle.models.sequential.sequence_model import SequenceModel
from aisle.recipe.list_models.sequential import HstuSpec, SasrecSpec, SequenceModelSpec
from aisle.train.lists.next_item import NextItemSettings, NextItemTrainee


def build_sasrec(spec: SasrecSpec, split: ListSplit, *, seed: int = 0) -> NextItemTrainee:
    """SASRec on the training lists."""
    generator = torch.Generator().manual_seed(seed)
    encoder = SASRecEncoder(
        spec.dim,
        max_length=spec.max_length,
        num_blocks=spec.num_blocks,
        num_heads=spec.num_heads,
        hidden=spec.hidden or spec.dim,
        dropout=spec.dropout,
        generator=generator,
    )
    return _next_item(encoder, spec, split, seed, generator)


def build_hstu(spec: HstuSpec, split: ListSplit, *, seed: int = 0) -> NextItemTrainee:
    """HSTU on the training lists."""
    generator = torch.Generator().manual_seed(seed)
    encoder = HSTUEncoder(
        spec.dim,
        max_length=spec.max_length,
        num_layers=spec.num_layers,
        num_heads=spec.num_heads,
        query_dim=spec.query_dim or spec.dim // spec.num_heads,
        value_dim=spec.value_dim or spec.dim // spec.num_heads,
        dropout=spec.dropout,
        generator=generator,
    )
    return _next_item(encoder, spec, split, seed, generator)


def _next_item(
    encoder: nn.Module, spec: SequenceModelSpec, split: ListSplit, seed: int, generator: torch.Generator
) -> NextItemTrainee:
    model = SequenceModel(split.num_items, spec.dim, encoder, normalize=spec.normalize, generator=generator)
    settings = NextItemSettings(
        max_length=spec.max_length,
        batch_size=spec.batch_size,
        loss=spec.loss.kind,
        num_negatives=spec.loss.negatives,
        popularity_power=spec.loss.popularity_power,
        log_q=spec.loss.log_q,
        calibration=spec.loss.calibration,
        temperature=spec.loss.temperature,
        seed=seed,
    )
    return NextItemTrainee(model, split.train, split.num_items, settings)
