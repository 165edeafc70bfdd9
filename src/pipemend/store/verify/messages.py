"""Whoever listens has heard how it ended."""

from collections.abc import Iterator

import sqlalchemy as sa

from pipemend.core.ticket import Status
from pipemend.store.schema import events, receipts, tickets
from pipemend.store.verify.facts import Facts, Violation

UNTOLD = ("pending", "sending")


def everything_was_told(db: sa.Connection, facts: Facts) -> Iterator[Violation]:
    """Every message about a closed ticket was sent, overtaken or parked, a moment after its close at the latest."""
    before = facts.now - facts.grace
    wish = (
        sa.select(receipts.c.ticket_id, receipts.c.notifier, receipts.c.state, receipts.c.error, events.c.name)
        .join_from(receipts, tickets, receipts.c.ticket_id == tickets.c.id)
        .join(events, events.c.id == receipts.c.event_id)
        .where(
            receipts.c.state.in_(UNTOLD),
            tickets.c.status == Status.ACKNOWLEDGED,
            tickets.c.ack_ts < before,
            events.c.at < before,
        )
        .order_by(receipts.c.event_id)
    )
    for row in db.execute(wish):
        says = f"{row.notifier} has not been told '{row.name}' ({row.state})" + (f": {row.error}" if row.error else "")
        yield Violation("message that was not told", row.ticket_id, says)
