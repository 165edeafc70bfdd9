"""Figures over the last days: how much was healed, how fast, of what, and what came back."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from pipemend.core.clock import stamp
from pipemend.core.sla import SlaStatus
from pipemend.core.ticket import RemediationStatus, Status
from pipemend.store.rows import Row
from pipemend.store.schema import HEALED, attempts, tickets

MINUTES_EACH = 30  # of a person, that a failure takes who is called, looks, reruns and watches
RELAPSE_SECONDS = 86400  # a healed pipeline that fails again within a day was not mended
SHOWN = 10


@dataclass(frozen=True, slots=True)
class Times:
    """Mean minutes until tickets were closed: from our seeing the failure, and from the failure; of all, and of those
    that the machine closed. None where there was none."""

    mttr: float | None = None
    mttr_from_failure: float | None = None
    healed_mttr: float | None = None
    healed_mttr_from_failure: float | None = None


@dataclass(frozen=True, slots=True)
class Day:
    """A day (UTC): tickets opened on it with what became of them, and those closed on it."""

    day: str
    opened: int = 0
    healed: int = 0
    escalated: int = 0
    closed: int = 0
    times: Times = Times()


@dataclass(frozen=True, slots=True)
class Named:
    """Tickets of one error type or one pipeline."""

    name: str | None
    connection: str | None
    count: int
    healed: int
    escalated: int


@dataclass(frozen=True, slots=True)
class Figures:
    """Shares are percents, None where there is nothing to share."""

    days: Sequence[Day]
    opened: int
    healed: int
    escalated: int
    tried: int
    relapsed: int
    closed: int
    sla_met: int
    times: Times
    attempts: Sequence[tuple[str, int]]
    errors: Sequence[Named]
    pipelines: Sequence[Named]

    @property
    def success_rate(self) -> float | None:
        return percent(self.healed, self.tried)

    @property
    def hours_saved(self) -> float:
        return self.healed * MINUTES_EACH / 60.0

    @property
    def sla_rate(self) -> float | None:
        return percent(self.sla_met, self.closed)

    @property
    def escalation_rate(self) -> float | None:
        return percent(self.escalated, self.opened)

    @property
    def relapse_rate(self) -> float | None:
        return percent(self.relapsed, self.healed)


def percent(part: int, whole: int) -> float | None:
    return part * 100.0 / whole if whole else None


class _seconds_between(FunctionElement[float]):
    """Seconds from the first to the second of two times, which are text."""

    type = sa.Float()
    inherit_cache = True


@compiles(_seconds_between, "sqlite")
def _on_sqlite(element: Any, compiler: Any, **how: Any) -> str:
    begin, end = (compiler.process(clause, **how) for clause in element.clauses)
    return f"((julianday({end}) - julianday({begin})) * 86400.0)"


@compiles(_seconds_between, "postgresql")
def _on_postgresql(element: Any, compiler: Any, **how: Any) -> str:
    begin, end = (compiler.process(clause, **how) for clause in element.clauses)
    return f"EXTRACT(EPOCH FROM CAST({end} AS timestamptz) - CAST({begin} AS timestamptz))"


STATUS = tickets.c.remediation_status
SUCCEEDED = STATUS == RemediationStatus.SUCCEEDED
LEFT = STATUS.in_([RemediationStatus.FAILED, RemediationStatus.MAX_RETRIES_EXCEEDED])
SHOWN_ONE = tickets.c.merged_into.is_(None)


def _number(*when: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
    return sa.func.count(sa.case((sa.and_(*when), 1)))


def _day(column: sa.ColumnElement[Any]) -> sa.ColumnElement[str]:
    return sa.func.substr(sa.cast(column, sa.Text), 1, 10)


def since(now: datetime, days: int) -> datetime:
    """Midnight (UTC) of the first of so many days, of which today is the last."""
    return now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=days - 1)


def figures(db: sa.Connection, now: datetime, days: int) -> Figures:
    """Tickets count on the day they were opened, times on the day they were closed."""
    begin = since(now, days)
    opened, closed = _opened(db, begin), _closed(db, begin)
    names = [stamp(begin + timedelta(days=after))[:10] for after in range(days)]
    whole = _closed_in_all(db, begin)
    return Figures(
        days=[_of_day(name, opened.get(name), closed.get(name)) for name in names],
        opened=sum(row.opened for row in opened.values()),
        healed=sum(row.healed for row in opened.values()),
        escalated=sum(row.escalated for row in opened.values()),
        tried=sum(row.tried for row in opened.values()),
        relapsed=_relapsed(db, begin),
        closed=whole.closed,
        sla_met=whole.met,
        times=_times(whole),
        attempts=_attempts(db, begin),
        errors=_named(db, begin, tickets.c.error_type),
        pipelines=_named(db, begin, tickets.c.pipeline, tickets.c.connection),
    )


def _opened(db: sa.Connection, begin: datetime) -> dict[str, Row]:
    day = _day(tickets.c.timestamp).label("day")
    counts = (sa.func.count().label("opened"), _number(SUCCEEDED).label("healed"), _number(LEFT).label("escalated"))
    wish = sa.select(day, *counts, _number(STATUS.is_not(None)).label("tried")).group_by(day)
    return {row.day: row for row in db.execute(wish.where(SHOWN_ONE, tickets.c.timestamp >= begin))}


def _means() -> list[sa.ColumnElement[float]]:
    """Seconds, by the names of Times."""
    seen, whole = tickets.c.ack_seconds, _seconds_between(tickets.c.failed_at, tickets.c.ack_ts)
    healed = (sa.case((HEALED, column)) for column in (seen, whole))
    return [sa.func.avg(of).label(field.name) for field, of in zip(fields(Times), (seen, whole, *healed), strict=True)]


def _times(row: Row) -> Times:
    seconds = (getattr(row, field.name) for field in fields(Times))
    return Times(*(None if mean is None else float(mean) / 60.0 for mean in seconds))


def _closed_since(begin: datetime) -> sa.ColumnElement[bool]:
    return sa.and_(SHOWN_ONE, tickets.c.status == Status.ACKNOWLEDGED, tickets.c.ack_ts >= begin)


def _closed(db: sa.Connection, begin: datetime) -> dict[str, Row]:
    day = _day(tickets.c.ack_ts).label("day")
    wish = sa.select(day, sa.func.count().label("closed"), *_means()).where(_closed_since(begin)).group_by(day)
    return {row.day: row for row in db.execute(wish)}


def _closed_in_all(db: sa.Connection, begin: datetime) -> Row:
    met = _number(tickets.c.sla_status == SlaStatus.MET).label("met")
    return db.execute(sa.select(sa.func.count().label("closed"), met, *_means()).where(_closed_since(begin))).one()


def _of_day(name: str, opened: Row | None, closed: Row | None) -> Day:
    day = Day(name)
    if opened is not None:
        day = replace(day, opened=opened.opened, healed=opened.healed, escalated=opened.escalated)
    if closed is not None:
        day = replace(day, closed=closed.closed, times=_times(closed))
    return day


def _relapsed(db: sa.Connection, begin: datetime) -> int:
    """Healed tickets whose pipeline failed again within a day."""
    whose = (tickets.c.platform, tickets.c.resource, tickets.c.pipeline)
    following = sa.func.lead(tickets.c.timestamp).over(partition_by=whose, order_by=tickets.c.timestamp)
    each = sa.select(tickets.c.ack_ts, SUCCEEDED.label("healed"), following.label("next"))
    one = each.where(SHOWN_ONE, tickets.c.timestamp >= begin).subquery()
    after = _seconds_between(one.c.ack_ts, one.c.next)
    wish = sa.select(sa.func.count()).select_from(one).where(one.c.healed, after.between(0, RELAPSE_SECONDS))
    return db.scalar(wish) or 0


def _attempts(db: sa.Connection, begin: datetime) -> Sequence[tuple[str, int]]:
    number = sa.func.count().label("number")
    wish = sa.select(attempts.c.status, number).where(attempts.c.started_at >= begin).group_by(attempts.c.status)
    return [(str(row.status), row.number) for row in db.execute(wish.order_by(number.desc(), attempts.c.status))]


def _named(db: sa.Connection, begin: datetime, *by: sa.ColumnElement[Any]) -> Sequence[Named]:
    """What most tickets are about, by a name and where it stands."""
    number = sa.func.count().label("number")
    counts = (number, _number(SUCCEEDED).label("healed"), _number(LEFT).label("escalated"))
    wish = sa.select(*by, *counts).where(SHOWN_ONE, tickets.c.timestamp >= begin).group_by(*by)
    rows = db.execute(wish.order_by(number.desc(), *by).limit(SHOWN))
    return [Named(row[0], row[1] if len(by) > 1 else None, row.number, row.healed, row.escalated) for row in rows]
