"""Builds ``docs/reference/cli.md`` from the commands, and tables from results; checks every local link."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import click

from aisle.cli.entry import group

sys.path.insert(0, str(Path(__file__).parent))
from list_results import beside_papers, list_results  # beside this script
from ranking_results import ranking_results

ROOT = Path(__file__).resolve().parents[1]
RANKING = ROOT / "docs" / "results" / "ranking.md"
LISTS = ROOT / "docs" / "results" / "lists.md"
REFERENCE = ROOT / "docs" / "reference" / "cli.md"
README = ROOT / "README.md"
PAPERS = ROOT / "docs" / "papers.md"
RESULTS = ROOT / "benchmarks" / "results"
_WIDTH = 100
_RANKERS = {"blend": "the blend", "lightgbm": "LightGBM", "logistic": "logistic regression"}


def cli_reference() -> str:
    """The help of every command, as one document."""
    parts = ["# Commands\n\nBuilt by `make docs` from the commands' own help.\n"]
    for path, command, context in _commands(group, ["aisle"], None):
        parts.append(f"## {path}\n\n```text\n{command.get_help(context)}\n```\n")
    return "\n".join(parts)


def results_table() -> str:
    """What the README says of quality and speed, from ``benchmarks/results`` alone."""
    result = json.loads((RESULTS / "online_retail.json").read_text(encoding="utf-8"))
    serve = json.loads((RESULTS / "serve_online_retail.json").read_text(encoding="utf-8"))
    report = result["report"]
    baskets = report["more"][0]
    windows = len(report["windows"])
    lines = [
        f"UCI Online Retail, protocol *shop-temporal*: NDCG@20 over all {report['counts']['candidates']:,} candidates "
        f"of what {report['counts']['users/all']:,} users bought in the last 28 days (`all`), and of what they had not "
        f"bought before (`new`); in brackets the mean of {windows} rolling windows.{_seeds(result)}",
        "",
        "| method | `all` | `new` | Aisle minus it, `all` | Aisle minus it, `new` |",
        "|---|---|---|---|---|",
        *_rows(report),
    ]
    hit_rate, rank = (
        {name: method["metrics"][metric] for name, method in baskets["methods"].items()}
        for metric in ("test/hr@10/full", "test/mrr@10/full")
    )
    lines += [
        "",
        "Differences are paired over the users of all windows, with 95 % bootstrap intervals. Protocol *basket "
        f"completion*, {baskets['counts']['baskets']:,} baskets: `bought-together` HR@10 "
        f"{hit_rate['bought-together']:.3f}, MRR@10 {rank['bought-together']:.3f}; EASE on baskets "
        f"{hit_rate['ease']:.3f}, {rank['ease']:.3f}.",
        "",
        *_probabilities(result),
        f"A `for-you` answer on a warm server takes {serve['p50_ms']:.1f} ms at p50 and {serve['p99_ms']:.1f} ms at "
        f"p99 ({serve['hardware']['cores']} cores, one client, {serve['sizes']['items']:,} items). Every number, and "
        "how to rerun it: [benchmarks](benchmarks/README.md).",
    ]
    return "\n".join(lines) + "\n"


def _seeds(result: dict[str, Any]) -> str:
    """How far the seeds are apart, where several were measured."""
    spread = result.get("seeds", {}).get("for-you")
    if spread is None or len(spread["seeds"]) < 2:
        return ""
    deviations = [spread["last_window"][f"test/ndcg@20/full/{variant}"]["deviation"] for variant in ("all", "new")]
    return (
        f" `for-you` is the mean of {len(spread['seeds'])} seeds, whose standard deviation is "
        f"{deviations[0]:.4f} (`all`) and {deviations[1]:.4f} (`new`)."
    )


def _rows(report: dict[str, Any]) -> list[str]:
    """One row per method, the placement first, the others by `all`."""
    gaps = report["all_windows"]["paired"]["differences"]
    rows = []
    for name, method in _best_first(report["methods"]):
        mean = report["all_windows"]["methods"][name]["metrics"]
        cells = [
            f"{method['metrics'][f'test/ndcg@20/full/{v}']:.3f} ({mean[f'test/ndcg@20/full/{v}']:.3f})"
            for v in ("all", "new")
        ]
        cells += [_gap(gaps[name][f"test/ndcg@20/full/{v}"]) if name in gaps else "" for v in ("all", "new")]
        rows.append(f"| {_label(name, method['role'])} | " + " | ".join(cells) + " |")
    return rows


def _label(name: str, role: str) -> str:
    if role == "placement":
        return f"**Aisle `{name}`**"
    placement, by, ranker = name.partition(" by ")
    return f"the candidates of `{placement}`, ranked by {_RANKERS[ranker]}" if by else name.replace("_", " ")


def _probabilities(result: dict[str, Any]) -> list[str]:
    """How good the ranker's probabilities are, where a ranker was measured."""
    rankers = result.get("rankers", {})
    if "for-you" not in rankers:
        return []
    counts, metrics = rankers["for-you"][0]["counts"], rankers["for-you"][0]["metrics"]
    values = {
        name: metrics[f"test/{name}/candidates"] for name in ("auc", "logloss", "normalized_entropy", "calibration")
    }
    return [
        f"The ranker's probabilities on {counts['rows']:,} candidates of {counts['lists']:,} users in the last window: "
        f"AUC {values['auc']:.3f}, log loss {values['logloss']:.4f}, normalized entropy "
        f"{values['normalized_entropy']:.3f}, calibration (predicted over taken) {values['calibration']:.2f} "
        "([curve](docs/results/calibration.svg)).",
        "",
    ]


def _best_first(methods: dict[str, Any]) -> list[tuple[str, Any]]:
    def key(entry: tuple[str, Any]) -> tuple[bool, float]:
        return entry[1]["role"] != "placement", -entry[1]["metrics"]["test/ndcg@20/full/all"]

    return sorted(methods.items(), key=key)


def _gap(gap: dict[str, float]) -> str:
    return f"{gap['difference']:+.3f} [{gap['low']:+.3f}, {gap['high']:+.3f}]"


def broken_links(documents: list[Path]) -> list[str]:
    """Links to files, or to headings in them, that are not there."""
    broken = []
    for document in documents:
        text = re.sub(r"```.*?```", "", document.read_text(encoding="utf-8"), flags=re.DOTALL)
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if re.match(r"[a-z]+:", target):
                continue
            name, _, anchor = target.partition("#")
            path = (document.parent / name).resolve() if name else document
            if not path.exists() or (anchor and anchor not in _anchors(path)):
                broken.append(f"{document.relative_to(ROOT)}: {target}")
    return broken


def _commands(
    command: click.Command, path: list[str], parent: click.Context | None
) -> list[tuple[str, click.Command, click.Context]]:
    context = click.Context(command, info_name=path[-1], parent=parent, max_content_width=_WIDTH)
    found = [(" ".join(path), command, context)]
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None, f"{name} is listed, but there is no such command"
            found += _commands(inner, [*path, name], context)
    return found


def _anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


def fill(document: Path, name: str, content: str) -> None:
    """Put what was built between the two marks of that name."""
    marked = re.compile(rf"(<!-- {name}:begin[^>]*-->\n).*?(<!-- {name}:end -->)", re.DOTALL)
    text = document.read_text(encoding="utf-8")
    document.write_text(marked.sub(lambda found: found[1] + content + found[2], text), encoding="utf-8")


def main() -> int:
    """Write the reference and the results, check the links."""
    fill(README, "results", results_table())
    for document in (README, PAPERS):
        fill(document, "papers", beside_papers(RESULTS))
    RANKING.write_text(ranking_results(RESULTS), encoding="utf-8")
    LISTS.write_text(list_results(RESULTS), encoding="utf-8")
    REFERENCE.parent.mkdir(exist_ok=True)
    REFERENCE.write_text(cli_reference(), encoding="utf-8")
    documents = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    broken = broken_links(documents)
    for line in broken:
        print(f"broken link in {line}", file=sys.stderr)
    print(f"{REFERENCE.relative_to(ROOT)} written, the links of {len(documents)} documents checked")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
