"""Lists and figures for people: tickets by tab and filter, and the plan's monitoring queries."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from pipemend.core.attempt import AttemptStatus
from pipemend.core.badge import Tab
from pipemend.core.ticket import AI_USER, RemediationStatus, Ticket
from pipemend.store import attempts as attempt_rows
from pipemend.store.schema import attempts, tickets
from pipemend.store.tickets import COLUMNS, from_row

SORTS: Mapping[str, sa.ColumnElement[Any]] = {
    "newest": tickets.c.timestamp.desc(),
    "oldest": tickets.c.timestamp.asc(),
    "pipeline": tickets.c.pipeline.asc(),
    "severity": tickets.c.priority.asc(),
}
EQUALS = {
    "platform": tickets.c.platform,
    "connection": tickets.c.connection,
    "pipeline": tickets.c.pipeline,
    "error_type": tickets.c.error_type,
    "severity": tickets.c.severity,
    "team": tickets.c.finops_team,
}


@dataclass(frozen=True, slots=True)
class View:
    """What somebody wants to see. Filters by name of EQUALS; `q` is looked for in the search text."""

    tab: Tab | None = None
    q: str = ""
    filters: tuple[tuple[str, str], ...] = ()
    sort: str = "newest"
    page: int = 1
    page_size: int = 50


@dataclass(frozen=True, slots=True)
class Listing:
    tickets: Sequence[Ticket]
    total: int
    counts: Mapping[str, int]


def listing(db: sa.Connection, view: View) -> Listing:
    """One page of tickets, how many there are, and the count of every tab under the same filters."""
    where = _where(view)
    found = db.execute(
        sa.select(tickets.c.tab, sa.func.count().label("number")).where(where).group_by(tickets.c.tab)
    ).all()
    counts = {str(tab): 0 for tab in Tab} | {row.tab: row.number for row in found}
    wanted = where if view.tab is None else sa.and_(where, tickets.c.tab == str(view.tab))
    rows = db.execute(
        sa.select(*COLUMNS)
        .where(wanted)
        .order_by(SORTS[view.sort], tickets.c.id)
        .offset((view.page - 1) * view.page_size)
        .limit(view.page_size)
    ).all()
    total = sum(counts.values()) if view.tab is None else counts[str(view.tab)]
    return Listing([from_row(row) for row in rows], total, counts)


def _where(view: View) -> sa.ColumnElement[bool]:
    parts: list[sa.ColumnElement[bool]] = [tickets.c.merged_into.is_(None)]
    parts += [EQUALS[name] == value for name, value in view.filters]
    for word in view.q.lower().split():
        parts.append(tickets.c.search_text.contains(word, autoescape=True))
    return sa.and_(*parts)


def choices(db: sa.Connection, names: Sequence[str], limit: int = 200) -> Mapping[str, Sequence[str]]:
    """The values that tickets have under each of these names of EQUALS."""
    return {name: list(db.scalars(_values(EQUALS[name], limit))) for name in names}


def _values(column: sa.ColumnElement[Any], limit: int) -> sa.Select[Any]:
    return sa.select(column).where(column.is_not(None), column != "").distinct().order_by(column).limit(limit)


def success_rate(db: sa.Connection) -> float | None:
    """Healed tickets in percent of those a repair was tried for; None before the first."""
    healed = sa.func.count(sa.case((tickets.c.remediation_status == RemediationStatus.SUCCEEDED, 1)))
    row = db.execute(
        sa.select(healed.label("healed"), sa.func.count().label("tried")).where(
            tickets.c.remediation_status.is_not(None)
        )
    ).one()
    return row.healed * 100.0 / row.tried if row.tried else None


def avg_mttr_minutes(db: sa.Connection) -> float | None:
    """Minutes from ticket to close, over the healed ones."""
    mean = db.scalar(sa.select(sa.func.avg(tickets.c.ack_seconds)).where(tickets.c.ack_user == AI_USER))
    return None if mean is None else float(mean) / 60.0


def top_errors(db: sa.Connection, limit: int = 10) -> Sequence[Mapping[str, Any]]:
    healed = sa.func.count(sa.case((tickets.c.remediation_status == RemediationStatus.SUCCEEDED, 1)))
    rows = db.execute(
        sa.select(tickets.c.error_type, sa.func.count().label("count"), healed.label("auto_remediated"))
        .where(tickets.c.merged_into.is_(None))
        .group_by(tickets.c.error_type)
        .order_by(sa.desc("count"), tickets.c.error_type)
        .limit(limit)
    ).all()
    return [dict(row._mapping) for row in rows]


def recent_attempts(db: sa.Connection, limit: int = 20) -> Sequence[Any]:
    rows = db.execute(attempt_rows.WHOLE.order_by(attempts.c.started_at.desc()).limit(limit)).all()
    return [attempt_rows.from_row(row) for row in rows]


def per_day(db: sa.Connection, days: int = 30) -> Sequence[Mapping[str, Any]]:
    """Tickets, healed and escalated ones by the day they opened (UTC), the newest first."""
    day = sa.func.substr(sa.cast(tickets.c.timestamp, sa.Text), 1, 10).label("day")
    status = tickets.c.remediation_status
    escalated = status.in_([RemediationStatus.FAILED, RemediationStatus.MAX_RETRIES_EXCEEDED])
    rows = db.execute(
        sa.select(
            day,
            sa.func.count().label("tickets"),
            sa.func.count(sa.case((status == RemediationStatus.SUCCEEDED, 1))).label("auto_remediated"),
            sa.func.count(sa.case((escalated, 1))).label("escalated"),
        )
        .where(tickets.c.merged_into.is_(None))
        .group_by(day)
        .order_by(day.desc())
        .limit(days)
    ).all()
    return [dict(row._mapping) for row in rows]


def running(db: sa.Connection) -> int:
    """Reruns in flight."""
    wish = sa.select(sa.func.count()).where(attempts.c.status == AttemptStatus.IN_PROGRESS)
    return db.scalar(wish) or 0
