"""The protocol *shop-temporal*: what known users take in the days after a fit, all candidates ranked.

For a window that starts at t: the fit saw events before t; candidates are the items that known users took before t;
asked are the users who took something before t and take a candidate in the window. Variant ``all``: everything a user
takes counts; variant ``new``: items the user took before are neither candidates nor targets. Reported for the last
window alone and over all windows.

Legend of shapes: R questions, V item rows, K positions.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aisle.errors import BackendUnavailableError
from aisle.evaluate.baselines import Baseline
from aisle.evaluate.candidate_lists import measure_lists, score_lists
from aisle.evaluate.report import MethodScores, Role, measure, report_of
from aisle.evaluate.windows import VARIANT_OF, Question, Window
from aisle.metrics import Targets
from aisle.pipeline import Pipeline, RepeatPolicy
from aisle.pipeline.generators import greatest
from aisle.progress import Progress, silent

logger = logging.getLogger(__name__)

PROTOCOL = "shop-temporal"
PLACEMENT = "for-you"
#: The placement's candidates without its ranker.
BY_BLEND = "for-you by blend"
METRICS = ("ndcg@20", "recall@20", "recall_plain@20", "hr@10")
LENGTH = 20
#: Scores of so many users are held at once that they take about this much memory.
BLOCK_BYTES = 200e6


def evaluate_windows(
    fitted: Sequence[tuple[Window, Pipeline]], baselines: Mapping[str, Baseline], *, progress: Progress = silent
) -> dict[str, Any]:
    """The report over one or several windows, the latest first.

    Where a ranker orders the placement, the same candidates in the order of the blend stand beside it, and the report
    has a part ``ranker`` on its probabilities; see :mod:`aisle.evaluate.candidate_lists`.

    Args:
        fitted: Each window with the pipeline that was fitted before it.
        baselines: By name; they are fitted here, on each window's snapshot. One whose library is not installed is left
            out, and the report says so.
    """
    windows = [window for window, _ in fitted]
    pipelines = {PLACEMENT: [pipeline for _, pipeline in fitted]}
    is_ranked = all(has_ranker(pipeline) for pipeline in pipelines[PLACEMENT])
    if is_ranked:
        pipelines[BY_BLEND] = [pipeline.with_rank_stage(None) for pipeline in pipelines[PLACEMENT]]
    scores: dict[str, list[MethodScores]] = {}
    for name, ones in pipelines.items():
        scores[name] = []
        for number, (window, pipeline) in enumerate(zip(windows, ones, strict=True)):
            progress(f"{name}: windows", number, len(windows))
            role: Role = "placement" if name == PLACEMENT else "stage"
            scores[name].append(score_pipeline(window, pipeline, role))
    baseline_scores, left_out = score_baselines(windows, baselines, progress=progress)
    report = report_windows(windows, scores | baseline_scores, left_out)
    if is_ranked:
        parts = [measure_lists(score_lists(window, pipeline, PLACEMENT)) for window, pipeline in fitted]
        report["ranker"] = parts[0]
        for one, part in zip(report["windows"], parts, strict=True):
            one["ranker"] = part
    return report


def has_ranker(pipeline: Pipeline) -> bool:
    """Whether a ranker orders the placement that is tested."""
    return pipeline.rank_stage is not None and pipeline.rank_stage.placement == PLACEMENT


def score_pipeline(window: Window, pipeline: Pipeline, role: Role) -> MethodScores:
    """What the placement answers to a window's questions, measured."""
    scores = MethodScores(role)
    _score_placement(window, pipeline, scores)
    return scores


def score_baselines(
    windows: Sequence[Window], baselines: Mapping[str, Baseline], *, progress: Progress = silent
) -> tuple[dict[str, list[MethodScores]], dict[str, str]]:
    """Each baseline's scores by window, and why some were left out."""
    scores: dict[str, list[MethodScores]] = {name: [] for name in baselines}
    left_out: dict[str, str] = {}
    for number, window in enumerate(windows):
        for done, (name, baseline) in enumerate(baselines.items()):
            progress(f"window {number + 1} of {len(windows)}: baselines", done, len(baselines))
            alone = MethodScores("baseline")
            try:
                _score_baseline(window, baseline, alone)
            except BackendUnavailableError as error:
                logger.warning("%s is left out: %s", name, error)
                left_out[name] = str(error)
            scores[name].append(alone)
    return {name: found for name, found in scores.items() if name not in left_out}, left_out


def report_windows(
    windows: Sequence[Window], scores: Mapping[str, Sequence[MethodScores]], left_out: Mapping[str, str]
) -> dict[str, Any]:
    """The report of methods that were asked the same windows, the latest first.

    Args:
        windows: See :func:`evaluate_windows`.
        scores: Of each method, one per window; the placement's among them.
        left_out: Why a method is not there.
    """
    parts = [
        _report(window, {name: found[number] for name, found in scores.items()})
        for number, window in enumerate(windows)
    ]
    together = {name: MethodScores(found[0].role) for name, found in scores.items()}
    for name, found in scores.items():
        for one in found:
            for metric, values in one.per_question.items():
                together[name].add(metric, values)
    report = {**parts[0], "left_out": dict(left_out)}
    report["windows"] = [{key: one[key] for key in ("start_ms", "counts", "methods", "paired")} for one in parts]
    report["all_windows"] = _all_windows(together, parts)
    return report


def _report(window: Window, methods: Mapping[str, MethodScores]) -> dict[str, Any]:
    counts = {
        "candidates": int(window.candidates_V.sum()),
        **{f"users/{VARIANT_OF[repeat]}": len(window.asked(repeat)) for repeat in VARIANT_OF},
    }
    report = report_of(PROTOCOL, methods, placement=PLACEMENT, paired_metrics=_paired(methods), counts=counts)
    return {**report, "start_ms": window.snapshot.until_ms}


def _all_windows(together: Mapping[str, MethodScores], windows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Metrics as means of the windows' means; differences paired over the questions of all windows."""
    report = report_of(PROTOCOL, together, placement=PLACEMENT, paired_metrics=_paired(together), counts={})
    for name, method in report["methods"].items():
        parts = [window["methods"][name]["metrics"] for window in windows]
        metrics = dict.fromkeys(metric for part in parts for metric in part)
        # A window in which nobody takes anything new has no metric of that variant.
        method["metrics"] = {
            metric: float(np.mean([part[metric] for part in parts if metric in part])) for metric in metrics
        }
    return {key: report[key] for key in ("methods", "paired")}


def _paired(methods: Mapping[str, MethodScores]) -> tuple[str, ...]:
    return tuple(metric for metric in methods[PLACEMENT].per_question if metric.startswith("test/ndcg@20"))


def _score_placement(window: Window, pipeline: Pipeline, scores: MethodScores) -> None:
    for repeat, variant in VARIANT_OF.items():
        asked = window.asked(repeat)
        ranked = [
            pipeline.recommend(
                PLACEMENT, one.query, repeat=repeat, limit=LENGTH, eligible_V=window.eligible_V(one, repeat)
            ).rows_n
            for one in asked
        ]
        _measure(padded(ranked, LENGTH), asked, variant, scores)


def _score_baseline(window: Window, baseline: Baseline, scores: MethodScores) -> None:
    if not window.questions:
        return  # there may be nobody to learn from either
    score = baseline(window)
    popular_first_V = _popular_first(window)
    for repeat, variant in VARIANT_OF.items():
        asked = window.asked(repeat)
        blocks = []
        num_users = max(1, int(BLOCK_BYTES / (4 * window.snapshot.num_items)))
        for start in range(0, len(asked), num_users):
            block = asked[start : start + num_users]
            blocks.append(_top(score(block, repeat), popular_first_V, window, block, repeat))
        if blocks:
            _measure(np.concatenate(blocks), asked, variant, scores)


def _top(
    scores_RV: NDArray[np.float32],
    popular_first_V: NDArray[np.int64],
    window: Window,
    block: Sequence[Question],
    repeat: RepeatPolicy,
) -> NDArray[np.int64]:
    """The best candidates of each row; equal scores by popularity before the window."""
    ranked = np.full((len(block), LENGTH), -1, np.int64)
    for number, asked in enumerate(block):
        rows = popular_first_V[window.eligible_V(asked, repeat)[popular_first_V]]
        best = best_rows(scores_RV[number], rows, LENGTH)
        ranked[number, : len(best)] = best
    return ranked


def best_rows(scores_V: NDArray[np.float32], rows: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    """The ``k`` of these rows with the greatest scores, best first; equal scores in the order given."""
    kept = rows[greatest(scores_V[rows], k)]
    return kept[np.argsort(-scores_V[kept], kind="stable")]


def _popular_first(window: Window) -> NDArray[np.int64]:
    counts = np.bincount(window.snapshot.events["item"].to_numpy(), minlength=window.snapshot.num_items)
    return np.argsort(-counts, kind="stable")


def _measure(ranked_RK: NDArray[np.int64], asked: Sequence[Question], variant: str, scores: MethodScores) -> None:
    targets = Targets.from_lists([one.targets for one in asked])
    for metric, values in measure(ranked_RK, targets, METRICS, variant=variant).items():
        scores.add(metric, values)


def padded(lists: Sequence[NDArray[Any]], k: int) -> NDArray[np.int64]:
    """Ranked lists as one array [R, k], padded with -1."""
    ranked = np.full((len(lists), k), -1, np.int64)
    for number, rows in enumerate(lists):
        ranked[number, : min(k, len(rows))] = rows[:k]
    return ranked
