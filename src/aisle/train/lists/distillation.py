"""Finished runs as the teachers of a student."""

from __future__ import annotations

from pathlib import Path

import safetensors
from safetensors.torch import load_file

from aisle.data.questions import ListSplit
from aisle.errors import ConfigError, DataError
from aisle.recipe import ListRecipe
from aisle.recipe.distillation import DistillSpec
from aisle.recipe.list_models.sequential import SequenceModelSpec
from aisle.recipe.lists import tells_all_next_items
from aisle.train.lists.directory import ListDirectory
from aisle.train.lists.ensemble import lists_of
from aisle.train.lists.sequences import build_sequence_model
from aisle.train.lists.teachers import TrainedNetwork, TrainedTeachers


def open_teachers(spec: DistillSpec, recipe: ListRecipe, split: ListSplit) -> TrainedTeachers:
    """The networks of finished runs; a run of several seeds counts as one for each.

    Args:
        spec: Which, and how much they count.
        recipe: The student's.
        split: Its lists.

    Raises:
        ConfigError: a run is of other data, reads shorter sequences than the student, or tells no next item from all.
        DataError: one is not there, not finished, or has no weights of a network.
    """
    networks = [_opened(run, recipe, split) for path in spec.runs for run in ListDirectory(Path(path)).trainings()]
    return TrainedTeachers(networks, spec.weight)


def _opened(run: ListDirectory, recipe: ListRecipe, split: ListSplit) -> TrainedNetwork:
    own = run.recipe()
    if lists_of(own, recipe) != lists_of(recipe, recipe):
        raise ConfigError(f"{run.path}: expected a teacher on the data of the student's recipe, it is on other data")
    model, student = own.model, recipe.model
    if not (isinstance(model, SequenceModelSpec) and tells_all_next_items(model)):
        raise ConfigError(
            f"{run.path}: expected a teacher that tells the next item from all others (sasrec, hstu, gru4rec, "
            f"core or youtube-dnn with a softmax and negatives 0), it is {model.kind}"
        )
    assert isinstance(student, SequenceModelSpec), "the recipe refuses other students"
    if model.max_length < student.max_length:
        raise ConfigError(
            f"{run.path}: expected a teacher of sequences of {student.max_length} items, as the student reads, it "
            f"reads {model.max_length}; lower the student's model.max_length"
        )
    network = build_sequence_model(model, split, seed=own.seed).network
    try:
        network.load_state_dict(load_file(run.network))
    except (OSError, safetensors.SafetensorError, RuntimeError) as error:
        raise DataError(f"{run.network}: expected the weights of a trained {model.kind} ({error})") from error
    return TrainedNetwork(network.eval(), model.loss.temperature)
