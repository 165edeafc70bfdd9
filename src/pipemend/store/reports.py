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

SORTS: Mapping[str, Sequence[sa.ColumnElement[Any]]] = {
    "newest": (tickets.c.timestamp.desc(), tickets.c.id.desc()),
    "oldest": (tickets.c.timestamp.asc(), tickets.c.id.asc()),
    "pipeline": (tickets.c.pipeline.asc(), tickets.c.id.asc()),
    "severity": (tickets.c.priority.asc(), tickets.c.timestamp.desc(), tickets.c.id.asc()),
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
    counts = _counts(db, view)
    total = sum(counts.values()) if view.tab is None else counts[str(view.tab)]
    offset = (view.page - 1) * view.page_size
    if offset >= total:
        return Listing([], total, counts)
    ids = db.scalars(_ids(db, view).offset(offset).limit(view.page_size)).all()
    rows = {row.id: row for row in db.execute(sa.select(*COLUMNS).where(tickets.c.id.in_(ids)))}
    return Listing([from_row(rows[ticket_id]) for ticket_id in ids if ticket_id in rows], total, counts)


def _counts(db: sa.Connection, view: View) -> Mapping[str, int]:
    found = _narrow(db, view, sa.select(tickets.c.tab).where(_where(view))).subquery()
    rows = db.execute(sa.select(found.c.tab, sa.func.count().label("number")).group_by(found.c.tab))
    return {str(tab): 0 for tab in Tab} | {row.tab: row.number for row in rows}


def _ids(db: sa.Connection, view: View) -> sa.Select[Any]:
    """The tickets of the view in its order, by id: the wide rows are read for one page alone."""
    by_time = view.sort in ("newest", "oldest")
    # Sought by its tab, a ticket's row must be read for the rest of the question; the narrow index has it all.
    tab: sa.ColumnElement[Any] = tickets.c.tab.op("||")("") if _asks(view) else tickets.c.tab
    wanted = _where(view) if view.tab is None else sa.and_(_where(view), tab == str(view.tab))
    if by_time or db.dialect.name != "sqlite":
        return sa.select(tickets.c.id).where(wanted).order_by(*SORTS[view.sort])
    columns = (tickets.c.id, tickets.c.timestamp, tickets.c.priority, tickets.c.pipeline)
    found = _narrow(db, view, sa.select(*columns).where(wanted)).subquery()
    order = {"pipeline": (found.c.pipeline, found.c.id), "severity": (found.c.priority, found.c.timestamp.desc())}
    return sa.select(found.c.id).order_by(*order[view.sort], found.c.id)


def _asks(view: View) -> bool:
    return bool(view.q.strip() or view.filters)


def _narrow(db: sa.Connection, view: View, wish: sa.Select[Any]) -> sa.Select[Any]:
    """Leads SQLite to the index `ix_tickets_view`: it is the only one in this order, and a limit keeps the order."""
    if db.dialect.name != "sqlite" or not (_asks(view) or view.sort not in ("newest", "oldest")):
        return wish
    return wish.order_by(*SORTS["newest"]).limit(-1)


def _where(view: View) -> sa.ColumnElement[bool]:
    parts: list[sa.ColumnElement[bool]] = [tickets.c.tab != "merged"]
    parts += [EQUALS[name] == value for name, value in view.filters]
    for word in view.q.lower().split():
        parts.append(tickets.c.search_text.contains(word, autoescape=True))
    return sa.and_(*parts)


def choices(db: sa.Connection, names: Sequence[str]) -> Mapping[str, Sequence[str]]:
    """The values that tickets have under each of these names of EQUALS, in one pass."""
    wish = _narrow(
        db, View(sort="pipeline"), sa.select(*(EQUALS[name] for name in names)).where(_where(View()))
    ).subquery()
    rows = db.execute(sa.select(*wish.columns).distinct()).all()
    return {name: sorted({row[at] for row in rows if row[at]}) for at, name in enumerate(names)}


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
