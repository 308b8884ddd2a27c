"""Where the times of a benchmark lie."""

from __future__ import annotations

import statistics
from dataclasses import dataclass


@dataclass(frozen=True)
class Quantiles:
    """Where the answers of a run lie, in milliseconds."""

    p50_ms: float
    p95_ms: float
    p99_ms: float

    @classmethod
    def of(cls, times_ms: list[float]) -> Quantiles:
        """The quantiles of at least one time."""
        if len(times_ms) == 1:
            return cls(times_ms[0], times_ms[0], times_ms[0])
        cuts = statistics.quantiles(times_ms, n=100, method="inclusive")
        return cls(cuts[49], cuts[94], cuts[98])

    def as_json(self) -> dict[str, float]:
        """By name, to the microsecond."""
        return {"p50_ms": round(self.p50_ms, 3), "p95_ms": round(self.p95_ms, 3), "p99_ms": round(self.p99_ms, 3)}

    def __str__(self) -> str:
        return f"p50 {self.p50_ms:.2f} ms, p95 {self.p95_ms:.2f} ms, p99 {self.p99_ms:.2f} ms"
