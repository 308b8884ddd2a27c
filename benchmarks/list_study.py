"""A protocol for recommenders over lists, and the methods that are trained under it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Study:
    """One protocol.

    Attributes:
        title: What is measured.
        reference: The method that the others are compared with.
        metrics: Those that tables show, as they stand in the runs.
        methods: Recipe and overrides of each method; ``RUNS`` stands for the folder of the study's runs.
        others: What papers and peers report under the protocol, by their name: values of the first metrics.
        same: The method that is the same model, by its name in ``others``, where there is one.
        pairs: Further differences: the first method of each minus the second.
        seeds: Each method is trained under all of these; none: under the recipe's own.
    """

    title: str
    reference: str
    metrics: tuple[str, ...]
    methods: dict[str, tuple[str, ...]]
    others: dict[str, tuple[float, ...]] = field(default_factory=dict)
    same: dict[str, str] = field(default_factory=dict)
    pairs: tuple[tuple[str, str], ...] = ()
    seeds: tuple[int, ...] = ()
