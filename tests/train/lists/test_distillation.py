"""Students of models of sequences: they learn what teachers expect, from finished runs on the same lists."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from aisle.data.list_splits import split_lists
from aisle.errors import ConfigError, DataError
from aisle.recipe import ListRecipe
from aisle.recipe.list_models.sequential import SequenceModelSpec
from aisle.train.engine.checkpoints import Checkpoints
from aisle.train.lists.directory import ListDirectory
from aisle.train.lists.distillation import open_teachers
from aisle.train.lists.registry import fit_lists
from aisle.train.lists.run import train_list_recipe
from aisle.train.lists.sequences import build_sequence_model
from tests.lists import SASREC, make_list_recipe, write_lists

TO_THE_END = {"epochs": 40, "patience": 40}
GRU4REC = {"kind": "gru4rec", "dim": 6, "max_length": 9, "batch_size": 16, "loss": {"temperature": 0.2}}


@pytest.fixture(scope="module")
def lists(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_lists(tmp_path_factory.mktemp("lists") / "lists.parquet")


@pytest.fixture(scope="module")
def teacher(lists: Path, tmp_path_factory: pytest.TempPathFactory) -> ListDirectory:
    """GRU4Rec under two seeds."""
    return train(make_list_recipe(lists, GRU4REC), tmp_path_factory.mktemp("teacher") / "run", seeds=(3, 4))


def train(recipe: ListRecipe, output: Path, **options: Any) -> ListDirectory:
    return train_list_recipe(recipe, output, fit_lists, **options)


def student(lists: Path, *runs: Path, weight: float = 0.5, **sections: Any) -> ListRecipe:
    taught = {"runs": [str(run) for run in runs], "weight": weight}
    return make_list_recipe(lists, SASREC, distill=taught, **sections)


def test_the_loss_is_against_the_mean_of_all_teachers(lists: Path, teacher: ListDirectory) -> None:
    recipe = student(lists, teacher.path, weight=0.6)
    split, _ = split_lists(recipe.data)
    assert recipe.distill is not None and isinstance(recipe.model, SequenceModelSpec)
    teachers = open_teachers(recipe.distill, recipe, split)
    alone = build_sequence_model(recipe.model, split, seed=1)
    taught = build_sequence_model(recipe.model, split, seed=1, teachers=teachers)
    alone.network.eval()
    taught.network.eval()
    batch, same = next(alone.epoch(0)), next(taught.epoch(0))
    assert torch.equal(batch.items_BT, same.items_BT)
    # The same by hand: two networks from their files.
    has_target_BT = batch.targets_BT >= 0
    expected_NV = torch.zeros(())
    for run in teacher.trainings():
        model = run.recipe().model
        assert isinstance(model, SequenceModelSpec)
        network = build_sequence_model(model, split, seed=9).network.eval()
        network.load_state_dict(load_file(run.network))
        scores_NV = network(batch.items_BT)[has_target_BT] @ network.item_vectors().T
        expected_NV = expected_NV + torch.softmax(scores_NV / 0.2, 1) / 2
    own_NV = alone.network(batch.items_BT)[has_target_BT] @ alone.network.item_vectors().T
    told = -(expected_NV * torch.log_softmax(own_NV / 0.1, 1)).sum(1).mean()
    expected = 0.4 * alone.loss(batch) + 0.6 * told
    assert taught.loss(same).item() == pytest.approx(expected.item(), rel=1e-5)


def test_a_teacher_that_knows_nothing_holds_its_student_back(lists: Path, tmp_path: Path) -> None:
    teacher = train(make_list_recipe(lists, GRU4REC, train={"epochs": 1, "learning_rate": 1e-6}), tmp_path / "teacher")
    found = {
        weight: train(student(lists, teacher.path, weight=weight, train=TO_THE_END), tmp_path / f"student-{weight}")
        for weight in (0.1, 1.0)
    }
    told = {weight: run.read_metrics()["metrics"]["test/hr@1/full"] for weight, run in found.items()}
    assert told[0.1] > 0.8, "the data says what follows in the cycle"
    assert told[1.0] < 0.5, "nothing but the teacher is heard"


def test_a_taught_training_goes_on_where_it_was_killed(
    lists: Path, teacher: ListDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = student(lists, teacher.path)
    whole = train(recipe, tmp_path / "whole")

    class KilledError(Exception):
        pass

    def kill(phase: str, done: int, total: int | None) -> None:
        if phase == "train the model" and done == 5:
            raise KilledError

    monkeypatch.setattr(Checkpoints, "is_due", lambda self, num_steps: True)
    with pytest.raises(KilledError):
        train(recipe, tmp_path / "killed", progress=kill)
    resumed = train(recipe, tmp_path / "killed", resume=True)
    assert resumed.read_metrics()["metrics"] == whole.read_metrics()["metrics"]
    one, other = load_file(whole.network), load_file(resumed.network)
    assert one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_weights_are_kept_of_what_can_teach_alone(lists: Path, teacher: ListDirectory, tmp_path: Path) -> None:
    assert all(run.network.is_file() for run in teacher.trainings())
    sampled = {**GRU4REC, "loss": {"negatives": 4}}
    assert not train(make_list_recipe(lists, sampled), tmp_path / "sampled").network.exists()


def test_runs_that_cannot_teach(lists: Path, teacher: ListDirectory, tmp_path: Path) -> None:
    def refuse(error: type[Exception], match: str, recipe: ListRecipe) -> None:
        split, _ = split_lists(recipe.data)
        assert recipe.distill is not None
        with pytest.raises(error, match=match):
            open_teachers(recipe.distill, recipe, split)

    other = write_lists(tmp_path / "other.parquet")
    refuse(ConfigError, "run.seed-3: expected a teacher on the data of the student", student(other, teacher.path))
    sampled = {**SASREC, "loss": {"negatives": 4}}
    for number, model in enumerate([{"kind": "rules"}, sampled]):
        run = train(make_list_recipe(lists, model), tmp_path / f"run-{number}")
        refuse(ConfigError, "expected a teacher that tells the next item from all others", student(lists, run.path))
    short = train(make_list_recipe(lists, {**SASREC, "max_length": 5}), tmp_path / "short")
    refuse(ConfigError, "of sequences of 8 items, as the student reads, it reads 5", student(lists, short.path))
    refuse(DataError, "gone: expected a finished run", student(lists, tmp_path / "gone"))
    short = train(make_list_recipe(lists, SASREC), tmp_path / "no-network")
    short.network.unlink()
    refuse(DataError, "network.safetensors: expected the weights of a trained sasrec", student(lists, short.path))


@pytest.mark.parametrize(
    "model", [{"kind": "rules"}, {"kind": "bert4rec"}, {**SASREC, "loss": {"kind": "bce", "negatives": 4}}]
)
def test_models_that_cannot_be_taught(lists: Path, model: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="distill: expected a model of sequences that tells the next item from all"):
        make_list_recipe(lists, model, distill={"runs": ["run"]})
