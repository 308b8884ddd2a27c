"""Where the time of training steps goes: by part on a clock of our own, by operator under torch's profiler."""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from torch.autograd import profiler_util

from aisle.progress import Progress
from aisle.studies.observed_step import OBSERVING, REST_OF_STEP, ObservedStep, Part
from aisle.train.engine.batches import Batch

DATA = Part("data", "other")
#: Operators have a name within a name space; the engine and the profiler are none.
_OPERATOR = re.compile(r"(?!autograd::|profiler::)\w+::\w+")

Seconds = dict[Part, float]


class Stopwatch:
    """Charges all time between start and stop to the part at work, the innermost one, so that parts add up.

    Args:
        clock: Gives seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._at_work: list[Part] = []
        self._last = 0.0
        self._seconds: Seconds = defaultdict(float)

    def start(self, part: Part) -> None:
        """Forget what was, and charge this part where no other one is at work."""
        self._at_work = [part]
        self._seconds = defaultdict(float)
        self._last = self._clock()

    def stop(self) -> Seconds:
        """The seconds of each part."""
        self._charge()
        return dict(self._seconds)

    def enter(self, part: Part) -> None:
        """See :class:`~aisle.studies.observed_step.Observer`."""
        self._charge()
        self._at_work.append(part)

    def leave(self) -> None:
        """See :class:`~aisle.studies.observed_step.Observer`."""
        self._charge()
        self._at_work.pop()

    def _charge(self) -> None:
        now = self._clock()
        self._seconds[self._at_work[-1]] += now - self._last
        self._last = now


def time_parts(step: ObservedStep, batches: Iterator[Batch], num_steps: int, progress: Progress) -> dict[str, Any]:
    """Time steps with and without an observer, by turns.

    Returns:
        ``unobserved_ms`` and ``observed_ms`` of a step, its batch included, and ``parts``: milliseconds by part. All
        are means over the fastest quarter of the steps, which others on the machine disturbed least. The parts, with
        the rest of the step, add up to ``observed_ms`` less ``observing_ms``, the time of looking through autograd's
        graph.
    """
    plain: list[Seconds] = []
    observed: list[Seconds] = []
    watch = Stopwatch()
    for number in range(num_steps):
        plain.append(_timed(step, batches, watch))
        with step.observed_by(watch):
            observed.append(_timed(step, batches, watch))
        progress("time steps", number + 1, num_steps)
    parts = {part: 1000 * seconds for part, seconds in _mean(_fastest(observed)).items()}
    observing = parts.pop(OBSERVING)
    return {
        "unobserved_ms": 1000 * sum(_mean(_fastest(plain)).values()),
        "observed_ms": sum(parts.values()) + observing,
        "observing_ms": observing,
        "parts": parts,
    }


def _timed(step: ObservedStep, batches: Iterator[Batch], watch: Stopwatch) -> Seconds:
    watch.start(REST_OF_STEP)
    watch.enter(DATA)
    batch = next(batches)
    watch.leave()
    step(batch)
    return watch.stop()


def _fastest(steps: list[Seconds]) -> list[Seconds]:
    return sorted(steps, key=lambda seconds: sum(seconds.values()))[: -(-len(steps) // 4)]


def _mean(steps: list[Seconds]) -> Seconds:
    parts = dict.fromkeys(part for seconds in steps for part in seconds)
    return {part: fmean(seconds.get(part, 0.0) for seconds in steps) for part in parts}


class TraceMarks:
    """Names the parts in the trace of torch's profiler."""

    def __init__(self) -> None:
        self._open: list[torch.profiler.record_function] = []

    def enter(self, part: Part) -> None:
        """See :class:`~aisle.studies.observed_step.Observer`."""
        mark = torch.profiler.record_function(f"{part.name} ({part.phase})")
        mark.__enter__()  # type: ignore[no-untyped-call]
        self._open.append(mark)

    def leave(self) -> None:
        """See :class:`~aisle.studies.observed_step.Observer`."""
        self._open.pop().__exit__(None, None, None)


def time_operators(step: ObservedStep, batches: Iterator[Batch], num_steps: int, trace: Path) -> dict[str, Any]:
    """Run steps under torch's profiler, and write their trace, which Perfetto shows.

    Returns:
        ``profiled_ms`` of a step, its batch included, and ``operators``, the costliest first: ``name``, ``calls`` and
        ``ms`` of a step, its own alone, and ``share`` of a step. ``outside_ms`` is of none: Python, NumPy, autograd's
        engine and the profiler's own work.
    """
    marks = TraceMarks()
    activities = [torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=activities, acc_events=True) as profiler, step.observed_by(marks):
        started = time.perf_counter()
        for _ in range(num_steps):
            with torch.profiler.record_function(DATA.name):
                batch = next(batches)
            with torch.profiler.record_function("step"):
                step(batch)
        profiled_ms = (time.perf_counter() - started) * 1000 / num_steps
    profiler.export_chrome_trace(str(trace))
    operators = [_operator(event, num_steps, profiled_ms) for event in profiler.key_averages()]
    known = sorted((one for one in operators if _OPERATOR.fullmatch(one["name"])), key=lambda one: -one["ms"])
    return {
        "profiled_ms": profiled_ms,
        "outside_ms": profiled_ms - sum(one["ms"] for one in known),
        "operators": known,
    }


def _operator(event: profiler_util.FunctionEventAvg, num_steps: int, step_ms: float) -> dict[str, Any]:
    ms = event.self_cpu_time_total / 1000 / num_steps
    return {"name": event.key, "calls": event.count / num_steps, "ms": ms, "share": ms / step_ms}
