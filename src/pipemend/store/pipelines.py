"""Pipelines as their tickets show them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from pipemend.store import attempts
from pipemend.store.rows import Row
from pipemend.store.schema import tickets

LATEST = 20  # tickets in a history


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A pipeline that has failed, its latest tickets, the newest first, and how long its reruns usually take."""

    platform: str
    connection: str
    name: str
    tickets: int
    history: Sequence[Row]
    usual: timedelta | None


def failing(
    db: sa.Connection, since: datetime, q: str = "", *, offset: int = 0, limit: int = 50
) -> tuple[int, Sequence[Pipeline]]:
    """How many pipelines have failed since then, and some of them: the one that failed last comes first."""
    whose = (tickets.c.platform, tickets.c.resource, tickets.c.pipeline)
    last, where = sa.func.max(tickets.c.timestamp).label("last"), sa.func.max(tickets.c.display_resource)
    wish = sa.select(*whose, last, where.label("shown"), sa.func.count().label("number")).group_by(*whose)
    found = wish.where(tickets.c.merged_into.is_(None), tickets.c.timestamp >= since, *_named(q))
    total = db.scalar(sa.select(sa.func.count()).select_from(found.subquery())) or 0
    page = db.execute(found.order_by(last.desc(), *whose).offset(offset).limit(limit)).all()
    return total, [_pipeline(db, row) for row in page]


def _named(q: str) -> Sequence[sa.ColumnElement[bool]]:
    name = tickets.c.display_resource + "/" + tickets.c.pipeline
    return [name.icontains(word, autoescape=True) for word in q.split()]


def _pipeline(db: sa.Connection, row: Row) -> Pipeline:
    usual = attempts.usual_duration(db, row.platform, row.resource, row.pipeline)
    return Pipeline(row.platform, row.shown, row.pipeline, row.number, _history(db, row), usual)


def _history(db: sa.Connection, of: Row) -> Sequence[Row]:
    """id, timestamp, tab, error_type and remediation_status of the latest tickets."""
    one = tickets.c
    return db.execute(
        sa.select(one.id, one.timestamp, one.tab, one.error_type, one.remediation_status)
        .where(one.platform == of.platform, one.resource == of.resource, one.pipeline == of.pipeline)
        .where(one.merged_into.is_(None))
        .order_by(one.timestamp.desc())
        .limit(LATEST)
    ).all()
