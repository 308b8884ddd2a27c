"""The loop over lists: the same weights however often it is killed, the best weights kept, and clear errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from aisle.bundle import BundleWriter
from aisle.data.questions import Questions
from aisle.errors import ConfigError, DataError
from aisle.evaluate.full_ranking import ListRecommender
from aisle.train.engine.checkpoints import Checkpoints
from aisle.train.lists.loop import LoopSettings, train_lists

NUM_BATCHES = 3


class Weight:
    """A recommender that says what the network's weight is."""

    def __init__(self, weight: float) -> None:
        self.weight = weight

    def score(self, questions: Questions) -> NDArray[np.float32]:
        return np.full((len(questions), 1), self.weight, np.float32)

    def save(self, writer: BundleWriter, folder: str) -> None:
        raise NotImplementedError


class Line:
    """Learns y = 2 x from three batches an epoch; an input is dropped now and then."""

    num_batches = NUM_BATCHES

    def __init__(self, num_batches: int = NUM_BATCHES) -> None:
        torch.manual_seed(7)
        self.num_batches = num_batches
        self.network = nn.Sequential(nn.Dropout(0.3), nn.Linear(1, 1))
        self.epochs: list[int] = []
        self.modes: list[bool] = []

    def epoch(self, number: int) -> Iterator[Tensor]:
        self.epochs.append(number)
        draw = np.random.default_rng([5, number])
        for _ in range(self.num_batches):
            yield torch.from_numpy(draw.normal(size=(4, 1)).astype(np.float32))

    def loss(self, batch: Tensor) -> Tensor:
        self.modes.append(self.network.training)
        return (self.network(batch) - 2 * batch).square().mean()

    def recommender(self) -> Weight:
        assert not self.network.training
        return Weight(self.weight())

    def weight(self) -> float:
        return float(self.network.state_dict()["1.weight"])

    def state(self) -> list[bytes]:
        return [tensor.numpy().tobytes() for tensor in self.network.state_dict().values()]


SETTINGS = LoopSettings(
    epochs=3, learning_rate=0.1, schedule="linear", warmup_steps=2, weight_decay=0.01, clip_norm=1.0
)


def weight_of(recommender: ListRecommender) -> float:
    assert isinstance(recommender, Weight)
    return recommender.weight


def scripted(values: list[float]) -> Callable[[ListRecommender], float]:
    """A judge that says one value after the other."""
    left = iter(values)
    return lambda recommender: next(left)


def killing_at(step: int) -> Callable[[str, int, int | None], None]:
    def progress(what: str, done: int, total: int | None) -> None:
        if done == step:
            raise KeyboardInterrupt

    return progress


@pytest.mark.parametrize("every_steps", [1, 2])
@pytest.mark.parametrize("killed_at", range(1, 3 * NUM_BATCHES + 1))
def test_killed_at_any_step_the_weights_are_the_same(tmp_path: Path, killed_at: int, every_steps: int) -> None:
    whole = Line()
    expected = train_lists(whole, SETTINGS, weight_of)

    checkpoints = Checkpoints(tmp_path, every_steps=every_steps, every_seconds=None)
    with pytest.raises(KeyboardInterrupt):
        train_lists(Line(), SETTINGS, weight_of, checkpoints=checkpoints, progress=killing_at(killed_at))
    again = Line()
    found = train_lists(again, SETTINGS, weight_of, checkpoints=checkpoints, resume=True)
    assert again.state() == whole.state()
    assert found == expected
    written = (killed_at - 1) // every_steps * every_steps
    assert again.epochs[0] == written // NUM_BATCHES, "it went on where the last checkpoint was written"


def test_a_finished_training_is_not_trained_again(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    first = Line()
    expected = train_lists(first, SETTINGS, weight_of, checkpoints=checkpoints)
    again = Line()
    assert train_lists(again, SETTINGS, weight_of, checkpoints=checkpoints, resume=True) == expected
    assert again.epochs == [] and again.state() == first.state()


def test_without_resume_a_checkpoint_is_forgotten(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, every_steps=1)
    with pytest.raises(KeyboardInterrupt):
        train_lists(Line(), SETTINGS, None, checkpoints=checkpoints, progress=killing_at(5))
    again = Line()
    train_lists(again, SETTINGS, None, checkpoints=checkpoints)
    assert again.epochs == [0, 1, 2]


def test_the_network_learns_and_its_dropout_is_on_in_training_alone() -> None:
    line = Line()
    before = abs(line.weight() - 2)
    fit = train_lists(line, LoopSettings(epochs=20, learning_rate=0.1, patience=20), weight_of)
    assert abs(line.weight() - 2) < before / 2
    assert all(line.modes) and len(line.modes) == 20 * NUM_BATCHES, "looks turn dropout off, steps turn it on"
    assert not line.network.training
    assert [look.epoch for look in fit.looks] == list(range(1, 21))
    assert fit.looks[-1].loss < fit.looks[0].loss


def test_the_callers_random_numbers_are_left_alone() -> None:
    line = Line()
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    train_lists(line, SETTINGS, None)
    assert torch.equal(torch.rand(2), expected)


def test_early_stopping_keeps_the_best() -> None:
    line, seen = Line(), []
    values = iter([1.0, 3.0, 2.0, 3.0, 9.0])

    def judge(recommender: ListRecommender) -> float:
        seen.append(weight_of(recommender))
        return next(values)

    fit = train_lists(line, LoopSettings(epochs=9, learning_rate=0.1, patience=2), judge)
    assert fit.num_epochs == 4, "two looks without a new best; as good is not better"
    assert fit.best == fit.looks[1] and fit.best.epoch == 2
    assert line.weight() == seen[1] != seen[3]


def test_the_last_epoch_is_looked_at() -> None:
    settings = LoopSettings(epochs=5, learning_rate=0.1, evaluate_every=3)
    fit = train_lists(Line(), settings, scripted([1.0, 2.0]))
    assert [look.epoch for look in fit.looks] == [3, 5]


def test_without_a_judge_the_last_weights_stay() -> None:
    fit = train_lists(Line(), SETTINGS, None)
    assert (fit.num_epochs, fit.looks, fit.best) == (3, (), None)


def test_the_same_seed_is_the_same_training_and_another_is_not() -> None:
    lines = [Line() for _ in range(3)]
    for line, seed in zip(lines, (0, 0, 1), strict=True):
        train_lists(line, LoopSettings(epochs=2, seed=seed), None)
    assert lines[0].state() == lines[1].state() != lines[2].state()


def test_weights_stay_float32_in_bfloat16() -> None:
    lines = [Line() for _ in range(2)]
    train_lists(lines[0], LoopSettings(epochs=3, learning_rate=0.1), None)
    train_lists(lines[1], LoopSettings(epochs=3, learning_rate=0.1, precision="bfloat16"), None)
    assert lines[1].state() != lines[0].state(), "products were rounded"
    assert lines[1].weight() == pytest.approx(lines[0].weight(), abs=0.05)
    assert lines[1].network.state_dict()["1.weight"].dtype == torch.float32


@pytest.mark.parametrize(
    ("identity", "settings"),
    [("other", SETTINGS), ("mine", LoopSettings(epochs=3, learning_rate=0.2))],
    ids=["other data", "other settings"],
)
def test_a_checkpoint_of_another_training_is_refused(tmp_path: Path, identity: str, settings: LoopSettings) -> None:
    checkpoints = Checkpoints(tmp_path, every_steps=1)
    train_lists(Line(), SETTINGS, None, identity="mine", checkpoints=checkpoints)
    with pytest.raises(DataError, match="expected a checkpoint of this very training, received one of other data"):
        train_lists(Line(), settings, None, identity=identity, checkpoints=checkpoints, resume=True)


def test_a_loss_that_is_no_number_stops_it() -> None:
    class Broken(Line):
        def loss(self, batch: Tensor) -> Tensor:
            loss = super().loss(batch)
            return loss / (0.0 if len(self.modes) == 5 else 1.0)

    with pytest.raises(DataError, match="step 4: expected a finite loss, received inf; lower the learning rate"):
        train_lists(Broken(), SETTINGS, None)


def test_nothing_to_learn_from() -> None:
    with pytest.raises(DataError, match="expected lists to learn from"):
        train_lists(Line(num_batches=0), SETTINGS, None)


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"epochs": 1, "patience": 0}, {"epochs": 1, "evaluate_every": 0}])
def test_settings_that_mean_nothing(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="epochs, evaluate_every and patience >= 1"):
        train_lists(Line(), LoopSettings(**wrong), None)


def test_a_warm_up_as_long_as_the_training_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"warmup_steps: expected fewer than the 3 steps of 1 epochs, received 3"):
        train_lists(Line(), LoopSettings(epochs=1, warmup_steps=3), None)
