"""Which kind of embedding table loses least at equal bytes: DLRM on the Criteo sample, three sizes, several seeds.

Writes `benchmarks/results/table_kinds.json`; a run that is kept is not made again.

    python -m benchmarks.table_kinds --seeds 0,1,2 --keep DIR
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from aisle.cli.hardware import describe_hardware
from benchmarks.criteo import summarize, train_entry
from benchmarks.criteo_models import PEER_LAYERS, Entry

RESULTS = Path(__file__).parent / "results"
FULL = "full"
#: Parts of the bytes of the large full tables; tables of fewer rows than `compress_from` stay full.
SHARES = (0.5, 0.2, 0.13)
COMPRESS_FROM = 1000
KINDS = {
    "thresholded": "{{kind: thresholded, share: {share}}}",
    "hashed": "{{kind: hashed, share: {share}}}",
    "quotient-remainder, mult": "{{kind: quotient-remainder, combine: mult, share: {share}}}",
    "quotient-remainder, add": "{{kind: quotient-remainder, combine: add, share: {share}}}",
    "quotient-remainder, concat": "{{kind: quotient-remainder, combine: concat, share: {share}}}",
    "low-rank": "{{kind: low-rank, share: {share}}}",
}


def entry_of(kind: str, share: float) -> Entry:
    """The recipe of a kind in a size."""
    tables = f"{{embedding_dim: 16, compress_from: {COMPRESS_FROM}, kind: {KINDS[kind].format(share=share)}}}"
    return Entry("criteo", (*PEER_LAYERS, f"tables={tables}"))


def measure(seeds: Sequence[int], directory: Path) -> dict[str, Any]:
    """Train all, and compare each with full tables and with thresholded ones of its size."""
    full = train_entry(Entry("criteo", PEER_LAYERS), directory / FULL, seeds)
    found: dict[str, Any] = {FULL: summarize(full, {})}
    for share in SHARES:
        of_size = {}
        for kind in KINDS:
            print(f"{kind}, {share:g} of the bytes ...", flush=True)
            run = train_entry(entry_of(kind, share), directory / f"{kind.replace(', ', '-')}-{share:g}", seeds)
            of_size[kind] = run
            found[f"{kind}, {share:g}"] = {
                **summarize(run, {"full": full}),
                "share": share,
                "kind": kind,
                "minus_thresholded": summarize(run, {"thresholded": of_size["thresholded"]}).get("minus_thresholded"),
            }
    return found


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=lambda text: [int(part) for part in text.split(",")], default=[0, 1, 2])
    parser.add_argument("--keep", type=Path, help="a directory that keeps the runs, to go on from")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the file is written")
    arguments = parser.parse_args()
    kept = nullcontext(arguments.keep) if arguments.keep else tempfile.TemporaryDirectory(prefix="aisle-kinds-")
    with kept as folder:
        methods = measure(arguments.seeds, Path(folder))
    result = {
        "benchmark": "table_kinds",
        "hardware": describe_hardware(),
        "seeds": arguments.seeds,
        "compress_from": COMPRESS_FROM,
        "methods": methods,
    }
    path = arguments.results / "table_kinds.json"
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(path)


if __name__ == "__main__":
    main()
