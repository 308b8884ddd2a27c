"""The answers that were given, and what came of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from aisle.store.connection import Database
from aisle.store.contract import ServedRecord
from aisle.store.identities import rows_for
from aisle.store.tables import events, item_versions, items, served, served_items

#: The event types that count as an outcome of a served item.
OUTCOMES = {"impression": "seen", "view": "clicked", "purchase": "bought"}


@dataclass(frozen=True)
class ServedLog:
    """Who was shown what, where, by which model."""

    database: Database

    def log_served(self, records: Sequence[ServedRecord]) -> None:
        """Write down answers; one whose request id is there already is left as it is."""
        if not records:
            return
        answers = [
            {
                "request_id": record.request_id,
                "time_ms": record.time_ms,
                "placement": record.placement,
                "user_id": record.user_id,
                "session_id": record.session_id,
                "model_version": record.model_version,
                "policy": record.policy,
            }
            for record in records
        ]
        with self.database.write() as connection:
            rows = rows_for(connection, "item", (item["item_id"] for record in records for item in record.items))
            add = sqlite.insert(served).on_conflict_do_nothing().returning(served.c.answer)
            lines = []
            for record, values in zip(records, answers, strict=True):
                answer = connection.execute(add, values).scalar()
                if answer is not None:
                    lines += [_line(answer, item, rows) for item in record.items]
            if lines:
                connection.execute(sa.insert(served_items), lines)

    def report(self, since_ms: int, until_ms: int) -> dict[str, dict[str, float]]:
        """What came of the answers given in a period (its end excluded), per placement.

        An outcome belongs to a served item where an event names the same ``request_id`` and item, whenever it came;
        each item of an answer counts once per outcome, however often it happened.

        Returns:
            For each placement with an answer in the period:

            - ``answers``: answers given,
            - ``served``: items in them,
            - ``seen``: served items with an ``impression``,
            - ``clicked``: served items with a ``view``,
            - ``bought``: served items with a ``purchase``,
            - ``coverage``: the part of the present catalogue that was served at least once (0 without a catalogue).
        """
        in_period = sa.and_(served.c.time_ms >= since_ms, served.c.time_ms < until_ms)
        lines = served.outerjoin(served_items, served_items.c.answer == served.c.answer)
        with self.database.read() as connection:
            num_items = connection.execute(sa.select(sa.func.count()).select_from(_in_catalogue())).scalar_one()
            in_catalogue = _in_catalogue()
            totals = connection.execute(
                sa.select(
                    served.c.placement,
                    sa.func.count(served.c.answer.distinct()).label("answers"),
                    sa.func.count(served_items.c.item_row).label("served"),
                    sa.func.count(in_catalogue.c.item_row.distinct()).label("covered"),
                )
                .select_from(lines.outerjoin(in_catalogue, in_catalogue.c.item_row == served_items.c.item_row))
                .where(in_period)
                .group_by(served.c.placement)
                .order_by(served.c.placement)
            ).all()
            outcomes = connection.execute(_outcomes(in_period)).all()
        report = {
            row.placement: {
                "answers": float(row.answers),
                "served": float(row.served),
                **dict.fromkeys(OUTCOMES.values(), 0.0),
                "coverage": row.covered / num_items if num_items else 0.0,
            }
            for row in totals
        }
        for row in outcomes:
            report[row.placement][OUTCOMES[row.type]] = float(row.times)
        return report


def _line(answer: int, item: dict[str, object], rows: dict[str, int]) -> dict[str, object]:
    line = {name: item.get(name) for name in ("position", "score", "source", "propensity")}
    return {"answer": answer, "item_row": rows[str(item["item_id"])], **line}


def _in_catalogue() -> sa.Subquery:
    joined = items.join(item_versions, item_versions.c.version == items.c.version)
    query = sa.select(items.c.item_row).select_from(joined).where(item_versions.c.is_deleted.is_(False))
    return query.subquery()


def _outcomes(in_period: sa.ColumnElement[bool]) -> sa.Select[Any]:
    same_answer = events.c.request_id == served.c.request_id
    same_item = sa.and_(served_items.c.answer == served.c.answer, served_items.c.item_row == events.c.item_row)
    distinct = (
        sa.select(served.c.placement, events.c.type, served.c.answer, events.c.item_row)
        .select_from(served.join(events, same_answer).join(served_items, same_item))
        .where(in_period, events.c.type.in_(list(OUTCOMES)))
        .distinct()
        .subquery()
    )
    return sa.select(distinct.c.placement, distinct.c.type, sa.func.count().label("times")).group_by(
        distinct.c.placement, distinct.c.type
    )
