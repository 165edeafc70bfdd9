"""Switches: the red button, and pauses of single pipelines. Stored: they survive restarts, and every worker obeys."""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from pipemend.core.situation import Pause
from pipemend.store.rows import Row
from pipemend.store.schema import attempts, switches, tickets

ALL, PIPELINE = "all", "pipeline:"


def red_button(db: sa.Connection) -> Row | None:
    """The last word about the red button: enabled, reason, by, at; None when nobody ever pressed it."""
    return db.execute(sa.select(switches).where(switches.c.name == ALL)).first()


def held(db: sa.Connection) -> str | None:
    """The reason when the button is pressed, else None."""
    row = red_button(db)
    return None if row is None or row.enabled else row.reason


def pause_of(db: sa.Connection, pipeline: str, now: datetime) -> Pause | None:
    """The pause of a pipeline, `factory/name`, if one holds now."""
    row = db.execute(sa.select(switches).where(_paused(now), switches.c.name == _name(pipeline))).first()
    return None if row is None else Pause(by=row.by, reason=row.reason, until=row.until)


def paused(db: sa.Connection, now: datetime) -> Sequence[Row]:
    """Every pause that holds now: pipeline, by, at, until, reason."""
    pipeline = sa.func.substr(switches.c.name, len(PIPELINE) + 1).label("pipeline")
    return db.execute(sa.select(pipeline, switches).where(_paused(now)).order_by(switches.c.name)).all()


def press(db: sa.Connection, *, enabled: bool, reason: str, by: str, at: datetime) -> None:
    """The red button."""
    _turn(db, ALL, enabled=enabled, reason=reason, by=by, at=at, until=None)


def turn(
    db: sa.Connection, pipeline: str, *, enabled: bool, reason: str, by: str, at: datetime, until: datetime | None
) -> None:
    """Pauses one pipeline, or resumes it."""
    _turn(db, _name(pipeline), enabled=enabled, reason=reason, by=by, at=at, until=until)


def look_again(db: sa.Connection, now: datetime) -> None:
    """What was put off is looked at now: a switch was turned on, or rules may have changed."""
    waiting = sa.and_(tickets.c.due_at > now, tickets.c.status != "acknowledged")
    db.execute(tickets.update().where(waiting).values(due_at=now))
    held = sa.and_(attempts.c.status == "waiting", attempts.c.due_at > now, attempts.c.revision > 0)
    db.execute(attempts.update().where(held).values(due_at=now))


def _turn(db: sa.Connection, name: str, **values: object) -> None:
    dialect = sqlite if db.dialect.name == "sqlite" else postgresql
    wish = dialect.insert(switches).values(name=name, **values)
    db.execute(wish.on_conflict_do_update(index_elements=["name"], set_=values))


def _name(pipeline: str) -> str:
    """Upper and lower case count as the same, as in the rules."""
    return PIPELINE + pipeline.lower()


def _paused(now: datetime) -> sa.ColumnElement[bool]:
    return sa.and_(
        switches.c.name.startswith(PIPELINE),
        switches.c.enabled.is_(False),
        sa.or_(switches.c.until.is_(None), switches.c.until > now),
    )
