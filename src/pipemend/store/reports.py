"""Lists and figures for people: tickets by tab and filter, and the plan's monitoring queries."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from pipemend.core.attempt import AttemptStatus
from pipemend.core.badge import Tab
from pipemend.core.ticket import RemediationStatus, Ticket
from pipemend.store import attempts as attempt_rows
from pipemend.store.schema import HEALED, attempts, tickets
from pipemend.store.tickets import COLUMNS, from_row

SORTS: Mapping[str, Callable[[Any], Sequence[sa.ColumnElement[Any]]]] = {
    "newest": lambda of: (of.timestamp.desc(), of.id.desc()),
    "oldest": lambda of: (of.timestamp.asc(), of.id.asc()),
    "pipeline": lambda of: (of.pipeline.asc(), of.id.asc()),
    "severity": lambda of: (of.priority.asc(), of.timestamp.desc(), of.id.asc()),
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
    counts, ids = _found(db, view) if _asks(view) else (_counts(db), db.scalars(_ids(db, view)).all())
    wish = sa.select(*COLUMNS).where(tickets.c.id.in_(ids)).order_by(*SORTS[view.sort](tickets.c))
    rows = db.execute(wish).all() if ids else ()
    total = sum(counts.values()) if view.tab is None else counts[str(view.tab)]
    return Listing([from_row(row) for row in rows], total, counts)


def _counts(db: sa.Connection) -> dict[str, int]:
    """Of all tickets, from the index that has them by tab."""
    wish = sa.select(tickets.c.tab, sa.func.count().label("number")).where(_where(View())).group_by(tickets.c.tab)
    return {str(tab): 0 for tab in Tab} | {row.tab: row.number for row in db.execute(wish)}


def _ids(db: sa.Connection, view: View) -> sa.Select[Any]:
    """The page of a view that asks for nothing but a tab: the wide rows are read for this page alone."""
    wanted = _where(view) if view.tab is None else sa.and_(_where(view), tickets.c.tab == str(view.tab))
    if view.sort in ("newest", "oldest"):
        return _paged(view, sa.select(tickets.c.id).where(wanted).order_by(*SORTS[view.sort](tickets.c)))
    found = _narrow(db, _sortable(view).where(wanted)).subquery()
    return _paged(view, sa.select(found.c.id).order_by(*SORTS[view.sort](found.c)))


def _found(db: sa.Connection, view: View) -> tuple[Mapping[str, int], Sequence[str]]:
    """What a view finds that asks for more than a tab: the counts and the page, from one pass over all tickets."""
    found = _narrow(db, _sortable(view).where(_where(view))).cte("found")
    page = sa.select(found.c.id).order_by(*SORTS[view.sort](found.c))
    page = _paged(view, page if view.tab is None else page.where(found.c.tab == str(view.tab)))
    nothing, none = sa.cast(sa.null(), sa.Text), sa.cast(sa.null(), sa.BigInteger)
    counts = sa.select(found.c.tab, sa.func.count().label("number"), nothing.label("id")).group_by(found.c.tab)
    rows = db.execute(counts.union_all(sa.select(nothing, none, page.subquery().c.id))).all()
    counted = {str(tab): 0 for tab in Tab} | {row.tab: row.number for row in rows if row.tab}
    return counted, [row.id for row in rows if row.id]


def _asks(view: View) -> bool:
    return bool(view.q.strip() or view.filters)


def _sortable(view: View) -> sa.Select[Any]:
    """Tickets with what they are sorted by. Nothing more: PostgreSQL's narrow index has no pipelines."""
    columns = (tickets.c.id, tickets.c.tab, tickets.c.timestamp, tickets.c.priority)
    return sa.select(*columns, tickets.c.pipeline) if view.sort == "pipeline" else sa.select(*columns)


def _paged(view: View, wish: sa.Select[Any]) -> sa.Select[Any]:
    return wish.offset((view.page - 1) * view.page_size).limit(view.page_size)


def _narrow(db: sa.Connection, wish: sa.Select[Any]) -> sa.Select[Any]:
    """Leads SQLite to the index `ix_tickets_view`: it is the only one in this order, and a limit keeps the order."""
    return wish.order_by(*SORTS["newest"](tickets.c)).limit(-1) if db.dialect.name == "sqlite" else wish


def _where(view: View) -> sa.ColumnElement[bool]:
    parts: list[sa.ColumnElement[bool]] = [tickets.c.tab != "merged"]
    parts += [EQUALS[name] == value for name, value in view.filters]
    for word in view.q.lower().split():
        parts.append(tickets.c.search_text.contains(word, autoescape=True))
    return sa.and_(*parts)


def choices(db: sa.Connection, names: Sequence[str]) -> Mapping[str, Sequence[str]]:
    """The values that tickets have under each of these names of EQUALS, in one pass."""
    wish = _narrow(db, sa.select(*(EQUALS[name] for name in names)).where(_where(View()))).subquery()
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
    mean = db.scalar(sa.select(sa.func.avg(tickets.c.ack_seconds)).where(HEALED))
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
