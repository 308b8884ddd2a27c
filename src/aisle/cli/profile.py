"""aisle profile: where the time and the memory of a training go."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path
from typing import Any

import click
import orjson

from aisle.cli.hardware import describe_hardware
from aisle.cli.output import write_json, write_table
from aisle.cli.progress import show_progress

_TOP_OPERATORS = 12
_PHASES = ("forward", "backward", "update")
_KINDS = ("weights", "gradients", "optimizer_state", "activations", "batch")


@click.command()
@click.argument("recipe")
@click.option("--set", "overrides", multiple=True, metavar="A.B=C", help="Override one value of the recipe.")
@click.option("--steps", "num_steps", default=50, show_default=True, type=click.IntRange(1), help="To be timed.")
@click.option("--threads", type=click.IntRange(1), help="[default: all cores]")
@click.option("-o", "output", type=click.Path(file_okay=False, path_type=Path), help="The directory to write.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object (profile.json) on standard output.")
def command(
    recipe: str,
    overrides: tuple[str, ...],
    num_steps: int,
    threads: int | None,
    output: Path | None,
    as_json: bool,
) -> None:
    """Say where the time and the memory of training the table RECIPE go, by part of the model and by operator.

    Runs steps of the very training, and keeps nothing of what they learn. The directory gets profile.json, profile.svg
    and trace.json, which https://ui.perfetto.dev shows.

    \b
    Example:
      aisle profile criteo --set model.kind=dcn-v2 --threads 1 -o profiles/dcn-v2
    """
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # torch's profiler would tell of itself on standard error
    from aisle import recipe as recipes
    from aisle.studies.profile import profile_recipe
    from aisle.studies.profile_chart import profile_chart

    parsed = recipes.load(recipe, list(overrides))
    if not isinstance(parsed, recipes.TableRecipe):
        raise click.UsageError(f"expected the recipe of a table, {recipe} is of another kind; try criteo")
    output = output or Path(f"{parsed.name}-profile-{dt.datetime.now().strftime('%Y%m%d-%H%M%S')}")
    output.mkdir(parents=True, exist_ok=True)
    with show_progress() as progress:
        found = profile_recipe(parsed, output / "trace.json", num_steps=num_steps, threads=threads, progress=progress)
    result = {**found, "hardware": describe_hardware()}
    (output / "profile.json").write_bytes(orjson.dumps(result, option=orjson.OPT_INDENT_2))
    (output / "profile.svg").write_text(profile_chart(result), encoding="utf-8")
    if as_json:
        write_json(result)
        return
    _report(result)
    click.echo(f"\nProfile: {output}")


def _report(result: dict[str, Any]) -> None:
    step, parts, operators = result["step"], result["parts"], result["operators"]
    write_table(("part", *(f"{phase} ms" for phase in _PHASES), "ms", "share"), [_times(part) for part in parts])
    click.echo(
        f"\nThe parts add up to {step['parts_ms']:.3f} ms; a step without hooks takes {step['unobserved_ms']:.3f} ms, "
        f"with them {step['overhead']:+.1%}\n"
    )
    sizes = [[part["name"], *(_kib(part, kind) for kind in _KINDS)] for part in parts if part["bytes"]]
    write_table(("memory in KiB", *(kind.replace("_", " ") for kind in _KINDS)), sizes)
    click.echo()
    top, others = operators[:_TOP_OPERATORS], operators[_TOP_OPERATORS:]
    rows = [(one["name"], round(one["calls"]), one["ms"], f"{one['share']:.1%}") for one in top]
    write_table(("operator", "calls", "ms", "share"), rows)
    click.echo(
        f"\nOf {step['profiled_ms']:.3f} ms under torch's profiler; other operators take "
        f"{sum(one['ms'] for one in others):.3f} ms, what is outside of operators {result['outside_operators_ms']:.3f} "
        f"ms\n{result['threads']} threads; machine: {result['hardware']}"
    )


def _times(part: dict[str, Any]) -> list[object]:
    phases = [part.get(f"{phase}_ms", 0.0) for phase in _PHASES]
    return [part["name"], *phases, part["ms"], f"{part['share']:.1%}"]


def _kib(part: dict[str, Any], kind: str) -> int:
    return round(int(part["bytes"].get(kind, 0)) / 1024)
