"""A person's word counts: nothing starts after it, by the times in the audit trail."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from datetime import datetime

import sqlalchemy as sa

from pipemend.store.schema import attempts, audit_trail
from pipemend.store.verify.attempts import BEGUN
from pipemend.store.verify.facts import SIMULTANEOUS, Facts, Violation

STOPS = (
    *("acknowledged", "automation_stopped", "taken_over", "handed_over", "reopened"),
    *("closed_without_remediation", "merged"),
)
GOES_ON = ("retry_granted",)
PRESSED, RELEASED = "automation_stopped_everywhere", "automation_released"


def nothing_starts_after_a_person_stopped_it(db: sa.Connection, facts: Facts) -> Iterator[Violation]:
    """Behind an acknowledgement, a stop, a hand-over or a close nothing is called until somebody grants a retry."""
    stop, again = audit_trail.alias("stop"), audit_trail.alias("again")
    granted = sa.exists().where(
        again.c.ticket_id == stop.c.ticket_id,
        again.c.action.in_(GOES_ON),
        again.c.id > stop.c.id,
        again.c.timestamp <= attempts.c.started_at,
    )
    wish = (
        sa.select(
            attempts.c.ticket_id, attempts.c.attempt_number, attempts.c.started_at, stop.c.action, stop.c.timestamp
        )
        .join_from(attempts, stop, attempts.c.ticket_id == stop.c.ticket_id)
        .where(BEGUN, stop.c.action.in_(STOPS), attempts.c.started_at > stop.c.timestamp, ~granted)
    )
    for row in db.execute(wish):
        if row.started_at > row.timestamp + SIMULTANEOUS:
            says = f"attempt {row.attempt_number} began at {row.started_at:%H:%M:%S}, after '{row.action}'"
            yield Violation("start after a person's word", row.ticket_id, f"{says} at {row.timestamp:%H:%M:%S}")


def nothing_starts_while_the_button_is_pressed(db: sa.Connection, facts: Facts) -> Iterator[Violation]:
    """While the red button is pressed nothing is called."""
    held = _held(db, facts.now)
    if not held:
        return
    since = [begin for begin, _ in held]
    wish = sa.select(attempts.c.ticket_id, attempts.c.attempt_number, attempts.c.started_at)
    for row in db.execute(wish.where(BEGUN, attempts.c.started_at > since[0])):
        at = bisect_right(since, row.started_at - SIMULTANEOUS) - 1
        if at >= 0 and row.started_at < held[at][1]:
            says = f"attempt {row.attempt_number} began at {row.started_at:%H:%M:%S}, while the red button was pressed"
            yield Violation("start under the red button", row.ticket_id, says)


def _held(db: sa.Connection, now: datetime) -> Sequence[tuple[datetime, datetime]]:
    """From when until when the button was pressed."""
    wish = sa.select(audit_trail.c.action, audit_trail.c.timestamp).where(audit_trail.c.action.in_([PRESSED, RELEASED]))
    spans: list[tuple[datetime, datetime]] = []
    since: datetime | None = None
    for row in db.execute(wish.order_by(audit_trail.c.id)):
        if row.action == PRESSED:
            since = since or row.timestamp
        elif since is not None:
            spans.append((since, row.timestamp))
            since = None
    return [*spans, (since, now)] if since is not None else spans
