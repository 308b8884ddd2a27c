"""Where a ranker is trained: on the processor, or on a GPU where PyTorch finds one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Literal

import torch
from torch import Tensor

from aisle.errors import ConfigError
from aisle.models import Ranker

DeviceName = Literal["auto", "cpu", "cuda"]


def training_device(name: DeviceName) -> torch.device:
    """The device of a name: ``auto`` is a GPU where there is one.

    Raises:
        ConfigError: ``cuda`` without a GPU that PyTorch can use.

    >>> training_device("cpu")
    device(type='cpu')
    """
    if name == "cpu":
        return torch.device("cpu")
    has_gpu = torch.cuda.is_available()
    if name == "cuda" and not has_gpu:
        raise ConfigError(
            f"device: expected a GPU that PyTorch {torch.__version__} can use, received cuda and found none; take cpu "
            "or auto (--set training.device=cpu), or install the PyTorch of your GPU's driver"
        )
    return torch.device("cuda" if has_gpu else "cpu")


def device_of(ranker: Ranker) -> torch.device:
    """Where a ranker lies."""
    return next(iter(ranker.named_parameters()))[1].device


def device_label(device: torch.device) -> str:
    """What a result says of where it was made: ``cpu``, or the name of the GPU."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def synchronize(device: torch.device) -> None:
    """Wait until a device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Let torch draw by a seed, on the processor and on a device, and leave its generators as they were."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


def random_state(device: torch.device) -> dict[str, Tensor]:
    """The state of torch's generators on the processor and on a device, for a checkpoint."""
    state = {"random": torch.get_rng_state()}
    return state | {"random_cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else state


def set_random_state(state: Mapping[str, Tensor], device: torch.device) -> None:
    """Go on from what :func:`random_state` gave; a device that it does not know keeps what it has."""
    torch.set_rng_state(state["random"])
    if device.type == "cuda" and "random_cuda" in state:
        torch.cuda.set_rng_state(state["random_cuda"], device)
