"""From recipes to what the loop trains: models of sequences."""

from __future__ import annotations

import torch
from torch import nn

from aisle.data.questions import ListSplit
from aisle.models.sequential.bert4rec import BERT4RecEncoder, ClozeModel
from aisle.models.sequential.gru4rec import GRU4RecEncoder
from aisle.models.sequential.hstu import HSTUEncoder
from aisle.models.sequential.sasrec import SASRecEncoder
from aisle.models.sequential.sequence_model import SequenceModel
from aisle.recipe.list_models.sequential import Bert4RecSpec, Gru4RecSpec, HstuSpec, SasrecSpec, SequenceModelSpec
from aisle.train.lists.next_item import Cloze, NextItemSettings, NextItemTrainee


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


def build_gru4rec(spec: Gru4RecSpec, split: ListSplit, *, seed: int = 0) -> NextItemTrainee:
    """GRU4Rec on the training lists."""
    generator = torch.Generator().manual_seed(seed)
    encoder = GRU4RecEncoder(
        spec.dim,
        hidden=spec.hidden or spec.dim,
        cell=spec.cell,
        num_layers=spec.num_layers,
        dropout=spec.dropout,
        generator=generator,
    )
    return _next_item(encoder, spec, split, seed, generator)


def build_bert4rec(spec: Bert4RecSpec, split: ListSplit, *, seed: int = 0) -> NextItemTrainee:
    """BERT4Rec on the training lists."""
    generator = torch.Generator().manual_seed(seed)
    encoder = BERT4RecEncoder(
        spec.dim,
        max_length=spec.max_length + 1,  # the hidden item stands behind a history
        num_blocks=spec.num_blocks,
        num_heads=spec.num_heads,
        hidden=spec.hidden or 4 * spec.dim,
        dropout=spec.dropout,
        generator=generator,
    )
    model = ClozeModel(split.num_items, spec.dim, encoder, normalize=spec.normalize, generator=generator)
    task = Cloze(mask=split.num_items, share=spec.mask_share, last_share=spec.last_share)
    return NextItemTrainee(model, split.train, split.num_items, _settings(spec, seed), task=task)


def _next_item(
    encoder: nn.Module, spec: SequenceModelSpec, split: ListSplit, seed: int, generator: torch.Generator
) -> NextItemTrainee:
    model = SequenceModel(split.num_items, spec.dim, encoder, normalize=spec.normalize, generator=generator)
    return NextItemTrainee(model, split.train, split.num_items, _settings(spec, seed))


def _settings(spec: SequenceModelSpec, seed: int) -> NextItemSettings:
    return NextItemSettings(
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
