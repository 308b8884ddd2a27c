"""The device of a training: chosen by name, nothing left behind, and no part of what is trained."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from aisle.errors import ConfigError
from aisle.train.engine import devices
from aisle.train.engine.devices import random_state, seeded, set_random_state, training_device

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


def test_auto_is_a_gpu_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert [training_device(name) for name in ("auto", "cpu", "cuda")] == [CUDA, CPU, CUDA]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert [training_device(name) for name in ("auto", "cpu")] == [CPU, CPU]
    with pytest.raises(ConfigError, match=r"expected a GPU.*received cuda.*training\.device=cpu"):
        training_device("cuda")


def test_generators_of_the_device_go_into_checkpoints_and_only_a_device_reads_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn = torch.tensor([1, 2], dtype=torch.uint8)
    read: list[tuple[torch.Tensor, torch.device]] = []
    monkeypatch.setattr(torch.cuda, "get_rng_state", lambda device: drawn)
    monkeypatch.setattr(torch.cuda, "set_rng_state", lambda state, device: read.append((state, device)))
    with seeded(5, CPU):
        of_cpu, of_gpu = random_state(CPU), random_state(CUDA)
        expected = torch.rand(2)
        assert set(of_cpu) == {"random"} and set(of_gpu) == {"random", "random_cuda"}
        for state, device in ((of_gpu, CPU), (of_cpu, CUDA), (of_gpu, CUDA)):
            set_random_state(state, device)
            assert torch.equal(torch.rand(2), expected)
    assert read == [(drawn, CUDA)]


def test_a_seeded_training_forks_the_generator_of_its_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    forked: list[list[torch.device]] = []
    fork = torch.random.fork_rng
    monkeypatch.setattr(
        devices.torch.random,
        "fork_rng",
        lambda devices: forked.append(devices) or fork(devices=[]),  # type: ignore[func-returns-value]
    )
    for device in (CPU, CUDA):
        with seeded(0, device):
            pass
    assert forked == [[], [CUDA]]


def test_every_ranker_computes_where_its_weights_and_rows_are() -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "tests.train.other_device"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 30
