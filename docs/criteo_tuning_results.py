"""The settings that validation rows chose among on the Criteo sample, in ``docs/results/ranking.md``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from result_cells import listed, row  # beside this script

_METRICS = ("auc", "logloss")


def criteo_tuning(result: Mapping[str, Any]) -> str:
    """The section: every trial of each model, the best by log loss first."""
    trials = result["trials"]
    lines = [
        "### Settings tried on Criteo, by the validation rows",
        "",
        f"`python -m benchmarks.criteo_tuning` trains each under the seeds {listed(trials[0]['seeds'])}, or under the "
        "first one alone where only the best go on to all; AUC and log loss of the validation rows, means and standard "
        "deviations over seeds. No test row was looked at. The first setting of each model is what validation chooses; "
        "none of the others helped.",
    ]
    for name, of_model in groupby(trials, key=lambda trial: str(trial["model"])):
        lines += ["", *_table(name, list(of_model))]
    return "\n".join(lines)


def _table(name: str, trials: Sequence[Mapping[str, Any]]) -> list[str]:
    rows = [row([_settings(trial["set"]), *(_cell(trial, metric) for metric in _METRICS)]) for trial in trials]
    num_settings = len({tuple(trial["set"]) for trial in trials})
    title = f"`{name}`, {num_settings} settings"
    return [row([title, "AUC", "log loss"]), "|---|---|---|", *rows]


def _settings(overrides: Sequence[str]) -> str:
    return ", ".join(f"`{override.removeprefix('training.')}`" for override in overrides)


def _cell(trial: Mapping[str, Any], metric: str) -> str:
    if len(trial["seeds"]) == 1:
        return f"{trial[f'valid/{metric}']:.5f} (seed {trial['seeds'][0]})"
    return f"{trial[f'valid/{metric}']:.5f} ± {trial[f'valid/{metric}/deviation']:.5f}"
