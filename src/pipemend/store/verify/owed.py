"""Every row to which the machine still owes something has a due time, an owner or a living flow."""

from collections.abc import Iterator

import sqlalchemy as sa

from pipemend.core.ticket import RemediationStatus
from pipemend.store.alerts import OPEN_STATES
from pipemend.store.attempts import WAITS_OR_LIVES
from pipemend.store.schema import alerts, attempts, feeds, leases, receipts, tickets
from pipemend.store.tickets import UNCLOSED
from pipemend.store.verify.facts import Facts, Violation
from pipemend.store.verify.messages import UNTOLD

RULE = "row that nobody looks at"


def nothing_is_forgotten(db: sa.Connection, facts: Facts) -> Iterator[Violation]:
    """Alerts, attempts, tickets, messages, feeds, and what was borrowed outside."""
    yield from _attempts(db, facts)
    yield from _tickets(db)
    unsettled = sa.select(alerts.c.id, alerts.c.state).where(alerts.c.state.in_(OPEN_STATES), _idle(alerts))
    for alert_id, state in db.execute(unsettled):
        yield Violation(RULE, f"alert {alert_id}", f"it is {state}")
    untold = sa.select(receipts.c.ticket_id, receipts.c.notifier, receipts.c.state)
    for ticket_id, notifier, state in db.execute(untold.where(receipts.c.state.in_(UNTOLD), _idle(receipts))):
        yield Violation(RULE, ticket_id, f"a message to {notifier} is {state}")
    for resource in db.scalars(sa.select(feeds.c.resource).where(_idle(feeds))):
        yield Violation(RULE, f"feed {resource}", "it is not read")
    kept = sa.select(leases.c.target, leases.c.attempt_key)
    for target, key in db.execute(kept.where(_idle(leases)).order_by(leases.c.target)):
        yield Violation(RULE, key.rpartition("-")[0], f"{target} is not given back")


def _idle(table: sa.Table) -> sa.ColumnElement[bool]:
    return sa.and_(table.c.due_at.is_(None), table.c.owner.is_(None))


def _attempts(db: sa.Connection, facts: Facts) -> Iterator[Violation]:
    wish = sa.select(
        attempts.c.key, attempts.c.ticket_id, attempts.c.attempt_number, attempts.c.status, attempts.c.revision
    )
    flows = {(key.partition(":")[0], key.rpartition(":")[2]) for key in facts.living}
    for row in db.execute(wish.where(attempts.c.status.in_(WAITS_OR_LIVES), _idle(attempts))):
        if (row.key, f"r{row.revision}") not in flows:
            yield Violation(RULE, row.ticket_id, f"attempt {row.attempt_number} is {row.status}")


def _tickets(db: sa.Connection) -> Iterator[Violation]:
    """Tickets whose decision was put off or left to a person's yes, and which no attempt goes on with."""
    pending = sa.exists().where(attempts.c.ticket_id == tickets.c.id, attempts.c.status.in_(WAITS_OR_LIVES))
    put_off = sa.func.coalesce(tickets.c.decision["answer"].as_string(), "not yet").in_(["not yet", "ask"])
    repair = tickets.c.remediation_status
    wish = sa.select(tickets.c.id).where(
        tickets.c.tab.in_(UNCLOSED),
        _idle(tickets),
        tickets.c.hands_off.is_(None),
        sa.or_(repair.is_(None), repair == RemediationStatus.IN_PROGRESS),
        put_off,
        ~pending,
    )
    for ticket_id in db.scalars(wish):
        yield Violation(RULE, ticket_id, "its decision was put off, and it is not due")
