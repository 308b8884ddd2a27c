"""From recipes to what the loop trains: models of sequences.

A new one is an encoder here.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from aisle.data.item_lists import NUM_GAPS
from aisle.data.questions import ListSplit
from aisle.errors import ConfigError
from aisle.models.sequential.bert4rec import BERT4RecEncoder, ClozeModel
from aisle.models.sequential.core import COREEncoder
from aisle.models.sequential.gru4rec import GRU4RecEncoder
from aisle.models.sequential.hstu import HSTUEncoder
from aisle.models.sequential.sasrec import SASRecEncoder
from aisle.models.sequential.sequence_model import SequenceModel
from aisle.models.sequential.side_information import SideInformation
from aisle.models.sequential.youtube_dnn import MeanEncoder, YouTubeDNN
from aisle.nn.sequences.transformer import BothSidedStack, TransformerStack
from aisle.recipe.list_models.sequential import (
    Bert4RecSpec,
    CoreSpec,
    Gru4RecSpec,
    HstuSpec,
    SasrecSpec,
    SequenceModelSpec,
    YoutubeDnnSpec,
)
from aisle.train.lists.next_item import NextItemSettings, NextItemTrainee
from aisle.train.lists.tasks import Cloze, NextItems, Task
from aisle.train.lists.teachers import TrainedTeachers

#: Of the time biases of HSTU; the last is of some seven years.
_TIME_BUCKETS = 64


def build_sequence_model(
    spec: SequenceModelSpec, split: ListSplit, *, seed: int = 0, teachers: TrainedTeachers | None = None
) -> NextItemTrainee:
    """A model of sequences on the training lists, and on what teachers say of them.

    Raises:
        ConfigError: the sizes do not fit, as heads that do not divide the width, or the lists lack what is to be read.
    """
    generator = torch.Generator().manual_seed(seed)
    try:
        encoder = _ENCODERS[type(spec)](spec, generator)
    except ValueError as error:
        raise ConfigError(f"model: {error}") from error
    frame = _FRAMES.get(type(spec), SequenceModel)
    side = _side(spec, split, generator)
    model = frame(split.num_items, spec.dim, encoder, normalize=spec.normalize, generator=generator, side=side)
    settings = NextItemSettings(
        max_length=spec.max_length,
        batch_size=spec.batch_size,
        loss=spec.loss.kind,
        num_negatives=spec.loss.negatives,
        popularity_power=spec.loss.popularity_power,
        log_q=spec.loss.log_q,
        calibration=spec.loss.calibration,
        temperature=spec.loss.temperature,
        hard=spec.loss.hard,
        in_batch=spec.loss.in_batch,
        skip_known=spec.loss.skip_known,
        seed=seed,
    )
    task: Task = NextItems()
    if isinstance(spec, Bert4RecSpec):
        task = Cloze(mask=split.num_items, share=spec.mask_share, last_share=spec.last_share)
    return NextItemTrainee(model, split.train, split.num_items, settings, task=task, teachers=teachers)


def _side(spec: SequenceModelSpec, split: ListSplit, generator: torch.Generator) -> SideInformation | None:
    """What is known of items and events beside which items they are; missing where nothing of it is to be read."""
    told, reads_times = spec.side, isinstance(spec, HstuSpec) and spec.time_bias
    _expect(bool(told.items), split.item_labels is not None, "side.items", "data.items with categories or numbers")
    _expect(told.actions, bool(split.actions), "side.actions", "a column data.columns.action")
    _expect(told.gaps, split.train.times_E is not None, "side.gaps", "a column data.columns.time")
    _expect(reads_times, split.train.times_E is not None, "time_bias", "a column data.columns.time")
    if not (told.items or told.actions or told.gaps or reads_times):
        return None
    return SideInformation(
        spec.dim,
        labels_VL=split.item_labels.weights_VL if told.items and split.item_labels is not None else None,
        is_sought=told.items == "both",
        num_actions=len(split.actions) if told.actions else 0,
        num_gaps=NUM_GAPS if told.gaps else 0,
        reads_times=reads_times,
        generator=generator,
    )


def _expect(is_told: bool, is_there: bool, what: str, source: str) -> None:
    if is_told and not is_there:
        raise ConfigError(f"model.{what}: expected {source}, received none; name it, or leave model.{what} out")


def _sasrec(spec: SasrecSpec, generator: torch.Generator) -> nn.Module:
    return SASRecEncoder(_causal_stack(spec, generator))


def _core(spec: CoreSpec, generator: torch.Generator) -> nn.Module:
    return COREEncoder(
        _causal_stack(spec, generator),
        max_length=spec.max_length,
        dropout=spec.dropout,
        generator=generator,
    )


def _causal_stack(spec: SasrecSpec | CoreSpec, generator: torch.Generator) -> TransformerStack:
    return TransformerStack(
        spec.dim,
        max_length=spec.max_length,
        num_blocks=spec.num_blocks,
        num_heads=spec.num_heads,
        hidden=spec.hidden or spec.dim,
        dropout=spec.dropout,
        generator=generator,
    )


def _hstu(spec: HstuSpec, generator: torch.Generator) -> nn.Module:
    return HSTUEncoder(
        spec.dim,
        max_length=spec.max_length,
        num_layers=spec.num_layers,
        num_heads=spec.num_heads,
        query_dim=spec.query_dim or spec.dim // spec.num_heads,
        value_dim=spec.value_dim or spec.dim // spec.num_heads,
        convolution=spec.convolution,
        time_buckets=_TIME_BUCKETS if spec.time_bias else 0,
        dropout=spec.dropout,
        generator=generator,
    )


def _gru4rec(spec: Gru4RecSpec, generator: torch.Generator) -> nn.Module:
    return GRU4RecEncoder(
        spec.dim,
        hidden=spec.hidden or spec.dim,
        cell=spec.cell,
        num_layers=spec.num_layers,
        dropout=spec.dropout,
        generator=generator,
    )


def _bert4rec(spec: Bert4RecSpec, generator: torch.Generator) -> nn.Module:
    stack = BothSidedStack(
        spec.dim,
        max_length=spec.max_length + 1,  # the hidden item stands behind a history
        num_blocks=spec.num_blocks,
        num_heads=spec.num_heads,
        hidden=spec.hidden or 4 * spec.dim,
        convolution=spec.convolution,
        dropout=spec.dropout,
        generator=generator,
    )
    return BERT4RecEncoder(stack, generator=generator)


def _youtube_dnn(spec: YoutubeDnnSpec, generator: torch.Generator) -> nn.Module:
    return MeanEncoder(spec.dim, hidden=spec.hidden, windows=spec.windows, dropout=spec.dropout, generator=generator)


#: By specification: the encoder, and the frame where it is another than that of most.
_ENCODERS: dict[type[SequenceModelSpec], Callable[..., nn.Module]] = {
    Bert4RecSpec: _bert4rec,
    CoreSpec: _core,
    Gru4RecSpec: _gru4rec,
    HstuSpec: _hstu,
    SasrecSpec: _sasrec,
    YoutubeDnnSpec: _youtube_dnn,
}
_FRAMES: dict[type[SequenceModelSpec], type[SequenceModel]] = {Bert4RecSpec: ClozeModel, YoutubeDnnSpec: YouTubeDNN}
