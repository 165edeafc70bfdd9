"""Deliveries: each raw call at a door is kept first, and can be replayed."""

import hashlib
import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from pipemend.core.alert import Alert
from pipemend.core.clock import stamp
from pipemend.core.errors import NotFound
from pipemend.store.rows import Row
from pipemend.store.schema import deliveries

SLOT_SECONDS = 300


def slot(door: str, body: bytes, now: datetime) -> str:
    """The same bytes at the same door within five minutes are one delivery."""
    return f"{hashlib.sha256(door.encode() + b'|' + body).hexdigest()}:{int(now.timestamp()) // SLOT_SECONDS}"


@dataclass(frozen=True, slots=True)
class Accepted:
    """What was kept: `new` unless the same bytes came before, and the tickets that its runs are known to belong to."""

    id: int
    new: bool
    tickets: tuple[str, ...]


def accept(
    db: sa.Connection,
    *,
    door: str,
    body: bytes,
    now: datetime,
    outcome: str,
    reason: str | None = None,
    alerts: Sequence[Alert] = (),
    named: str | None = None,
    replay_of: int | None = None,
) -> Accepted:
    """Keeps a delivery and its alerts, due now; a repeat is only counted.

    Every alert that reaches us passes here while its sender waits, so the statements are text: two on SQLite, one on
    PostgreSQL.
    """
    key = named or slot(door, body, now)
    whole = (key, door, body, stamp(now), outcome, _clean(reason), len(alerts), replay_of)
    told = json.dumps([_as_told(alert) for alert in alerts])
    if db.dialect.name == "sqlite":
        return _accept_sqlite(db, whole, told, stamp(now))
    row = db.exec_driver_sql(ACCEPT, (told, *whole, stamp(now), stamp(now))).one()
    return Accepted(row.id, row.times == 1, tuple(row.tickets or ()))


def _accept_sqlite(db: sa.Connection, whole: tuple[Any, ...], told: str, now: str) -> Accepted:
    # The driver's own cursor: on the way through SQLAlchemy each of these costs more than it does.
    ask = db.connection.cursor().execute
    try:
        delivery_id, times = ask(KEEP, whole).fetchone()
        if times > 1:
            known = ask(TICKETS, (delivery_id, delivery_id)).fetchall()
        else:
            known = [] if told == "[]" else ask(TELL, (delivery_id, now, now, told)).fetchall()
    except sqlite3.Error as error:
        raise sa.exc.OperationalError("a delivery", {}, error) from error
    return Accepted(delivery_id, times == 1, tuple(dict.fromkeys(name for (name,) in known if name)))


def came_of(db: sa.Connection, delivery_id: int, outcome: str, reason: str) -> None:
    """Says what became of a delivery, in the unit that kept it."""
    told = deliveries.update().where(deliveries.c.id == delivery_id)
    db.execute(told.values(outcome=outcome, reason=_clean(reason)))


def _as_told(alert: Alert) -> dict[str, str | None]:
    start, end = alert.window or (None, None)
    times = {"failed_at": alert.failed_at, "window_start": start, "window_end": end}
    told = {name: stamp(time) if time else None for name, time in times.items()}
    return told | {name: _clean(getattr(alert, name)) for name in TEXTS}


def _clean(text: str | None) -> str | None:
    """Text that both databases take: no NUL, no half of a surrogate pair."""
    if text is None or (text.isascii() and "\0" not in text):
        return text
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode("utf-8")


TEXTS = (
    "platform",
    "resource",
    "pipeline",
    "run_id",
    "activity",
    "activity_type",
    "error_code",
    "error_message",
    "failure_type",
    "rule",
)
KEEP = """
INSERT INTO deliveries (slot, door, body, received_at, outcome, reason, accepted, replay_of)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (slot) DO UPDATE SET count = deliveries.count + 1
RETURNING id, count
"""
TELL = """
INSERT INTO alerts (delivery_id, state, created_at, due_at, platform, resource, pipeline, run_id, activity,
    activity_type, error_code, error_message, failure_type, rule, failed_at, window_start, window_end)
SELECT ?, 'new', ?, ?, json_extract(value, '$.platform'), json_extract(value, '$.resource'),
    json_extract(value, '$.pipeline'), json_extract(value, '$.run_id'), json_extract(value, '$.activity'),
    json_extract(value, '$.activity_type'), json_extract(value, '$.error_code'), json_extract(value, '$.error_message'),
    json_extract(value, '$.failure_type'), json_extract(value, '$.rule'), json_extract(value, '$.failed_at'),
    json_extract(value, '$.window_start'), json_extract(value, '$.window_end')
FROM json_each(?)
RETURNING (SELECT r.ticket_id FROM ticket_runs r
    WHERE r.platform = alerts.platform AND r.resource = alerts.resource AND r.run_id = alerts.run_id)
"""
TICKETS = """
SELECT ticket_id FROM alerts WHERE delivery_id = ? AND ticket_id IS NOT NULL
UNION
SELECT r.ticket_id FROM alerts a
JOIN ticket_runs r ON r.platform = a.platform AND r.resource = a.resource AND r.run_id = a.run_id
WHERE a.delivery_id = ?
"""
ACCEPT = """
WITH told AS (
    SELECT * FROM json_to_recordset(CAST(%s AS json)) AS t (platform text, resource text, pipeline text, run_id text,
        activity text, activity_type text, error_code text, error_message text, failure_type text, rule text,
        failed_at text, window_start text, window_end text)
), kept AS (
    INSERT INTO deliveries (slot, door, body, received_at, outcome, reason, accepted, replay_of)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT (slot) DO UPDATE SET count = deliveries.count + 1
    RETURNING id, count
), made AS (
    INSERT INTO alerts (delivery_id, state, created_at, due_at, platform, resource, pipeline, run_id, activity,
        activity_type, error_code, error_message, failure_type, rule, failed_at, window_start, window_end)
    SELECT kept.id, 'new', %s, %s, told.* FROM kept, told WHERE kept.count = 1
)
SELECT kept.id, kept.count AS times, ARRAY(
    SELECT r.ticket_id FROM ticket_runs r
    JOIN told t ON r.platform = t.platform AND r.resource = t.resource AND r.run_id = t.run_id
    UNION
    SELECT a.ticket_id FROM alerts a WHERE a.delivery_id = kept.id AND a.ticket_id IS NOT NULL
) AS tickets
FROM kept
"""


def get(db: sa.Connection, delivery_id: int) -> Row:
    """Raises NotFound."""
    row = db.execute(sa.select(deliveries).where(deliveries.c.id == delivery_id)).first()
    if row is None:
        raise NotFound(f"there is no delivery {delivery_id}")
    return row


def page(db: sa.Connection, *, offset: int, limit: int) -> tuple[int, Sequence[Row]]:
    """How many there are, and some of them, the newest first."""
    total = db.scalar(sa.select(sa.func.count()).select_from(deliveries)) or 0
    wish = sa.select(deliveries).order_by(deliveries.c.id.desc()).offset(offset).limit(limit)
    return total, db.execute(wish).all()
