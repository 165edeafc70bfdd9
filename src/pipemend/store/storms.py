"""Storms and their figures. The figures are counted from the tickets, so nothing is counted twice or forgotten."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from pipemend.core.badge import Tab
from pipemend.core.storm import Cause, Figures, Storm
from pipemend.core.ticket import RemediationStatus, Status
from pipemend.store.rows import Row, insert_new
from pipemend.store.schema import storms, tickets

FEW = 5
CLOSED = tickets.c.status == Status.ACKNOWLEDGED
HEALED = sa.and_(CLOSED, tickets.c.remediation_status == RemediationStatus.SUCCEEDED)
# Whoever has a due time is looked at again, so people are not asked yet.
ASKING = sa.and_(~CLOSED, tickets.c.tab == str(Tab.APPROVAL))
LEFT = sa.and_(~CLOSED, tickets.c.tab.not_in((str(Tab.HEALING), str(Tab.APPROVAL))), tickets.c.due_at.is_(None))


def living(db: sa.Connection, cause: Cause) -> str | None:
    """The storm of the cause that has not ended."""
    return db.scalar(sa.select(storms.c.id).where(_has(storms, cause), storms.c.ended_at.is_(None)))


def one_at_a_time(db: sa.Connection, cause: Cause) -> None:
    """Until the unit ends nobody else counts tickets of this cause. A file has one writer anyway."""
    if db.dialect.name == "postgresql":
        key = "|".join(("storm", cause.platform, cause.resource, cause.error_type, cause.route))
        db.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(key, 0))))


def recent(db: sa.Connection, cause: Cause, since: datetime) -> tuple[int, datetime | None]:
    """How many tickets of the cause have opened since, and when the first of them did."""
    wish = sa.select(sa.func.count(), sa.func.min(tickets.c.timestamp)).where(_of(cause, since))
    number, first = db.execute(wish).one()
    return int(number), first


def begin(db: sa.Connection, cause: Cause, where: str, began_at: datetime, due_at: datetime) -> str:
    values = {
        "id": cause.storm_id(began_at),
        **asdict(cause),
        "display_resource": where,
        "began_at": began_at,
        "due_at": due_at,
        "told": {},
    }
    insert_new(db, storms, values)
    return str(values["id"])


def due(db: sa.Connection, now: datetime) -> Sequence[str]:
    return db.scalars(sa.select(storms.c.id).where(storms.c.due_at <= now).order_by(storms.c.due_at)).all()


def lock(db: sa.Connection, storm_id: str) -> Row:
    """The row of the storm, kept from others until the unit ends."""
    return db.execute(sa.select(storms).where(storms.c.id == storm_id).with_for_update()).one()


def change(db: sa.Connection, storm_id: str, **columns: Any) -> None:
    db.execute(storms.update().where(storms.c.id == storm_id).values(**columns))


def get(db: sa.Connection, storm_id: str) -> Storm:
    """The storm with the figures of this moment."""
    row = db.execute(sa.select(storms).where(storms.c.id == storm_id)).one()
    cause = Cause(platform=row.platform, resource=row.resource, error_type=row.error_type, route=row.route)
    its = _of(cause, row.began_at, row.ended_at)
    return Storm(
        id=row.id,
        cause=cause,
        where=row.display_resource,
        began_at=row.began_at,
        ended_at=row.ended_at,
        figures=_figures(db, its),
        pipelines=_first(db, its),
        left=_first(db, sa.and_(its, sa.or_(LEFT, ASKING))),
    )


def newest(db: sa.Connection, storm: Storm) -> datetime | None:
    """When its newest ticket opened."""
    found: datetime | None = db.scalar(
        sa.select(sa.func.max(tickets.c.timestamp)).where(_of(storm.cause, storm.began_at))
    )
    return found


def settled(db: sa.Connection, ticket_id: str) -> bool | None:
    """Whether the storm that the ticket is told with is over and done with; None: it is told by itself."""
    wish = sa.select(storms.c.due_at).join(tickets, tickets.c.storm_id == storms.c.id).where(tickets.c.id == ticket_id)
    row = db.execute(wish).first()
    return None if row is None else row.due_at is None


def _figures(db: sa.Connection, its: sa.ColumnElement[bool]) -> Figures:
    count = sa.func.count
    row = db.execute(
        sa.select(
            count().label("tickets"),
            count(sa.case((HEALED, 1))).label("healed"),
            count(sa.case((CLOSED, 1))).label("all_closed"),
            count(sa.case((LEFT, 1))).label("people"),
            count(sa.case((ASKING, 1))).label("asking"),
        ).where(its)
    ).one()
    return Figures(
        tickets=row.tickets,
        healed=row.healed,
        closed=row.all_closed - row.healed,
        healing=row.tickets - row.all_closed - row.people - row.asking,
        people=row.people,
        asking=row.asking,
    )


def _first(db: sa.Connection, which: sa.ColumnElement[bool]) -> Sequence[str]:
    names = sa.select(tickets.c.pipeline).where(which).group_by(tickets.c.pipeline)
    return db.scalars(names.order_by(sa.func.min(tickets.c.timestamp), tickets.c.pipeline).limit(FEW)).all()


def _of(cause: Cause, since: datetime, until: datetime | None = None) -> sa.ColumnElement[bool]:
    inside = sa.and_(_has(tickets, cause), tickets.c.timestamp >= since, tickets.c.merged_into.is_(None))
    return sa.and_(inside, tickets.c.timestamp <= until) if until else inside


def _has(table: sa.Table, cause: Cause) -> sa.ColumnElement[bool]:
    return sa.and_(*(table.c[name] == value for name, value in asdict(cause).items()))
