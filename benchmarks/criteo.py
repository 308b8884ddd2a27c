"""The ranking family on the Criteo sample: every model under several seeds, and which differences are real.

Rows in the order of time: 80 % to learn from, 10 % to choose by, 10 % to test. Settings were chosen on the validation
rows. Writes `benchmarks/results/criteo.json`; a run that is kept is not made again.

    python -m benchmarks.criteo --seeds 0,1,2 --keep DIR
    python -m benchmarks.criteo --only 'deepfm;deepfm, plain PyTorch' --keep DIR
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

from aisle.assemble import table_ranker
from aisle.cli.hardware import describe_hardware
from aisle.errors import ConfigError
from aisle.evaluate.comparison import difference
from aisle.train.recipe_run import RunPlan
from aisle.train.tables.directory import TableDirectory
from aisle.train.tables.ensemble import ensemble_runs
from aisle.train.tables.session import train_table_recipe
from benchmarks.criteo_models import MODELS, PEERS, PLAIN, Entry
from benchmarks.plain_training import train_plainly

RESULTS = Path(__file__).parent / "results"
REFERENCE = "logistic"
#: Every method's difference from each of these is measured; a variant's from its model and DLRM's variant too.
REFERENCES = (REFERENCE, "dlrm")
ENSEMBLE = "mean of all"
#: Students by the model that is taught, and whose out-of-fold predictions they learn from.
STUDENTS = {f"{name}, distilled": MODELS[name] for name in ("dlrm", "dlrm, smaller layers", "dlrm, bucketized")}
TEACHERS = ("logistic", "dlrm", "wide-deep")
NUM_FOLDS = 5
#: What a student is meant to reach, one of the peers.
AIM = "mean of 11 models"
METRICS = ("auc", "logloss")


def _folder(name: str) -> str:
    return name.replace(", ", "-")


def _under(seeds: Sequence[int]) -> str:
    return f"--seeds {','.join(map(str, seeds))} -o OUT"


def train_entry(entry: Entry, directory: Path, seeds: Sequence[int]) -> TableDirectory:
    """Train a model under each seed, or go on where that was interrupted."""
    return train_table_recipe(
        entry.load(), directory, table_ranker, plan=RunPlan(seeds=tuple(seeds)), resume=directory.exists()
    )


def train_teachers(directory: Path) -> tuple[list[Path], list[str]]:
    """Train teachers that leave out a fold each; gives their directories and the commands."""
    folds, commands = [], []
    for name in TEACHERS:
        print(f"{name} without a fold ...", flush=True)
        place, entry = directory / f"folds-{name}", MODELS[name]
        plan = RunPlan(folds=NUM_FOLDS)
        folds.append(train_table_recipe(entry.load(), place, table_ranker, plan=plan, resume=place.exists()).path)
        commands.append(entry.command(f"--folds {NUM_FOLDS} -o FOLDS-{name}"))
    return folds, commands


def student_entry(model: Entry, folds: Sequence[Path | str]) -> Entry:
    """A model as the student of teachers' out-of-fold predictions."""
    runs = f"distill.runs=[{', '.join(map(str, folds))}]"
    return Entry(model.recipe, (*model.overrides, "training.num_epochs=3", "distill.weight=0.8", runs))


def student_notes(students: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Which student validation chooses, by log loss, and whether that one reaches the aim on the test rows.

    Args:
        students: By name what was measured of each.
    """
    losses = {name: student["metrics"]["valid/logloss"] for name, student in students.items()}
    chosen = min(losses, key=losses.__getitem__)
    others = ", ".join(f"{loss:.5f} of `{name}`" for name, loss in losses.items() if name != chosen)
    auc, logloss = (students[chosen]["metrics"][f"test/{metric}"] for metric in METRICS)
    aim = PEERS[AIM]
    is_reached = round(auc, 4) >= aim["auc"] and round(logloss, 4) <= aim["logloss"]
    verdict = "reaches" if is_reached else "does not reach"
    notes = dict.fromkeys(students, f"not the student that validation chooses, which is `{chosen}`")
    notes[chosen] = (
        f"the student that validation chooses: a log loss of {losses[chosen]:.5f} on the validation rows, beside "
        f"{others}; on the test rows it {verdict} the {AIM} below ({aim['auc']:.4f}, {aim['logloss']:.4f})"
    )
    return notes


def measure_students(directory: Path, seeds: Sequence[int], references: Mapping[str, TableDirectory]) -> dict[str, Any]:
    """Train each student and say which one validation chooses."""
    folds, teaching = train_teachers(directory)
    found = {}
    for name, model in STUDENTS.items():
        print(f"{name} ...", flush=True)
        run = train_entry(student_entry(model, folds), directory / _folder(name), seeds)
        command = student_entry(model, [f"FOLDS-{teacher}" for teacher in TEACHERS]).command(_under(seeds))
        found[name] = summarize(run, references) | {"command": [*teaching, command]}
    return {name: found[name] | {"note": note} for name, note in student_notes(found).items()}


def summarize(run: TableDirectory, references: Mapping[str, TableDirectory]) -> dict[str, Any]:
    """Metrics over seeds, and the differences from each reference with their intervals.

    Args:
        run: A method's training under one or more seeds.
        references: What it is compared with; the differences from ``NAME`` are named ``minus_NAME``.
    """
    metrics = run.read_metrics()
    kept = ("model", "parameters", "model_bytes", "metrics", "deviations", "data")
    found = {one: metrics[one] for one in kept if one in metrics}
    for name, reference in references.items():
        if run != reference:
            ours, theirs = ([one.predictions("test") for one in several.trainings()] for several in (run, reference))
            found[f"minus_{name}"] = {metric: asdict(difference(ours, theirs, metric)) for metric in METRICS}
    return found


def measure(names: Sequence[str], seeds: Sequence[int], directory: Path) -> dict[str, Any]:
    """Train models and the references, and compare each with the references and with what is like it."""
    runs = train_models(dict.fromkeys([*REFERENCES, *names]), seeds, directory)
    return {name: compared(name, runs, seeds) for name in runs}


def measure_all(seeds: Sequence[int], directory: Path) -> dict[str, Any]:
    """The same of all models, of the mean of those that `aisle train` trains, and of students."""
    runs = train_models([*MODELS, *PLAIN], seeds, directory)
    found = {name: compared(name, runs, seeds) for name in runs}
    references = {name: runs[name] for name in REFERENCES}
    members = [runs[name].path for name in MODELS]
    with tempfile.TemporaryDirectory(prefix="aisle-criteo-") as folder:
        mean = ensemble_runs(members, Path(folder) / "mean")
        found[ENSEMBLE] = summarize(mean, references) | {"members": len(members)}
    return found | measure_students(directory, seeds, references)


def train_models(names: Iterable[str], seeds: Sequence[int], directory: Path) -> dict[str, TableDirectory]:
    """Train models under each seed, each in a folder of its own; what is trained there already is not made again."""
    runs = {}
    for name in names:
        print(f"{name} ...", flush=True)
        place = directory / _folder(name)
        if name in PLAIN:
            runs[name] = train_plainly(MODELS[PLAIN[name]["float32"]].load(), place, seeds)
        else:
            runs[name] = train_entry(MODELS[name], place, seeds)
    return runs


def compared(name: str, runs: Mapping[str, TableDirectory], seeds: Sequence[int]) -> dict[str, Any]:
    """What was measured of one model beside others, and what trains it."""
    kind, _, variant = name.partition(", ")
    alike = [kind, f"dlrm, {variant}", *(plain for plain, ours in PLAIN.items() if name in ours.values())]
    references = {one: runs[one] for one in (*REFERENCES, *alike) if one in runs and one != name}
    alone = f"python -m benchmarks.criteo --only '{';'.join([name, *PLAIN.get(name, {}).values()])}'"
    command = alone if name in PLAIN else MODELS[name].command(_under(seeds))
    return summarize(runs[name], references) | {"command": command}


def report(found: Mapping[str, Any], seeds: Sequence[int]) -> dict[str, Any]:
    """The file's content."""
    return {
        "benchmark": "criteo",
        "protocol": "ordered 80/10/10, vocabulary of training rows, min count 2, chosen on validation rows",
        "hardware": describe_hardware(),
        "seeds": list(seeds),
        "reference": REFERENCE,
        "methods": dict(found),
        "peers": PEERS,
    }


def written(path: Path, seeds: Sequence[int]) -> dict[str, Any]:
    """The methods of the file, which stay beside those that are measured alone; nothing where there is no file.

    Raises:
        ConfigError: it is of other seeds or of another machine.
    """
    if not path.is_file():
        return {}
    result = json.loads(path.read_text("utf-8"))
    here = {"seeds": list(seeds), "hardware": describe_hardware()}
    there = {name: result[name] for name in here}
    if here != there:
        raise ConfigError(
            f"{path}: expected methods measured with {here}, received {there}; name another folder by --results"
        )
    methods: dict[str, Any] = result["methods"]
    return methods


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--only", type=lambda text: text.split(";"), help="models, between ;, whose rows alone are written"
    )
    parser.add_argument("--seeds", type=lambda text: [int(part) for part in text.split(",")], default=[0, 1, 2])
    parser.add_argument("--keep", type=Path, help="a directory that keeps the runs, to go on from")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the file is written")
    arguments = parser.parse_args()
    unknown = sorted({*(arguments.only or [])} - {*MODELS, *PLAIN})
    if unknown:
        parser.error(f"--only: expected some of {'; '.join([*MODELS, *PLAIN])}, received {'; '.join(unknown)}")
    path, seeds = arguments.results / "criteo.json", arguments.seeds
    kept = nullcontext(arguments.keep) if arguments.keep else tempfile.TemporaryDirectory(prefix="aisle-criteo-")
    with kept as folder:
        if arguments.only is None:
            found = measure_all(seeds, Path(folder))
        else:
            before, measured = written(path, seeds), measure(arguments.only, seeds, Path(folder))
            found = before | {
                name: one for name, one in measured.items() if name in arguments.only or name not in before
            }
    path.write_text(json.dumps(report(found, seeds), indent=1) + "\n", encoding="utf-8")
    print(path)


if __name__ == "__main__":
    main()
