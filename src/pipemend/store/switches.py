"""The red button: stored, so that it survives restarts and every worker obeys it."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from pipemend.store.rows import Row
from pipemend.store.schema import attempts, switches, tickets

ALL = "all"


def red_button(db: sa.Connection) -> Row | None:
    """The last word about the red button: enabled, reason, by, at; None when nobody ever pressed it."""
    return db.execute(sa.select(switches).where(switches.c.name == ALL)).first()


def held(db: sa.Connection) -> str | None:
    """The reason when the button is pressed, else None."""
    row = red_button(db)
    return None if row is None or row.enabled else row.reason


def press(db: sa.Connection, *, enabled: bool, reason: str, by: str, at: datetime) -> None:
    dialect = sqlite if db.dialect.name == "sqlite" else postgresql
    values = {"enabled": enabled, "reason": reason, "by": by, "at": at}
    wish = dialect.insert(switches).values(name=ALL, **values)
    db.execute(wish.on_conflict_do_update(index_elements=["name"], set_=values))


def look_again(db: sa.Connection, now: datetime) -> None:
    """What was put off is looked at now: the button is released, or rules may have changed."""
    waiting = sa.and_(tickets.c.due_at > now, tickets.c.status != "acknowledged")
    db.execute(tickets.update().where(waiting).values(due_at=now))
    held = sa.and_(attempts.c.status == "waiting", attempts.c.due_at > now, attempts.c.revision > 0)
    db.execute(attempts.update().where(held).values(due_at=now))
