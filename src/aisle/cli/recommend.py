"""aisle recommend: the server's pipeline, asked from the shell."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict

import click

from aisle.cli.context import CliContext
from aisle.cli.output import write_json, write_table


@click.command()
@click.option("--placement", default="for-you", show_default=True, help="Which placement asks.")
@click.option("--user", help="The user's id.")
@click.option("--item", "items", multiple=True, help="An item of the page or cart; may be repeated.")
@click.option("-n", "limit", type=click.IntRange(1, 1000), default=10, show_default=True, help="How many items.")
@click.option("--explain", is_flag=True, help="Say why: every source with its score, rank and share.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
@click.pass_obj
def command(
    context: CliContext,
    placement: str,
    user: str | None,
    items: tuple[str, ...],
    limit: int,
    explain: bool,
    as_json: bool,
) -> None:
    """Recommend items, as the server would answer.

    \b
    Example:
      aisle -C my-shop recommend --placement bought-together --item 85123A --explain
    """
    from aisle.pipeline import RecommendationRequest, Recommender

    workspace = context.open_workspace()
    request = RecommendationRequest(placement, user_id=user, items=items, limit=limit, explain=explain)
    with closing(workspace.open_store()) as store:
        answer = Recommender(store, workspace.config, workspace.directory).recommend(request)
        titles = {one.item_id: (store.get_item(one.item_id)) for one in answer.items}
    if as_json:
        listed = [asdict(one) for one in answer.items]
        report: dict[str, object] = {
            "placement": placement,
            "model_version": answer.model_version,
            "items": listed,
            "degraded": answer.degraded,
        }
        write_json(report)
        return
    rows = []
    for one in answer.items:
        item = titles[one.item_id]
        rows.append((one.item_id, (item.title if item else None) or "", one.score, one.source, one.reason))
    write_table(("item", "title", "score", "source", "reason"), rows)
    if explain:
        for one in answer.items:
            parts = ", ".join(
                f"{name} rank {share.rank} share {share.share:.3f}" for name, share in one.sources.items()
            )
            click.echo(f"{one.item_id}: {parts or one.source}")
    for message in answer.degraded:
        click.echo(f"Degraded: {message}", err=True)
