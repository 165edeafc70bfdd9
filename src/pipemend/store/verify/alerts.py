"""No failure is lost: what came in has its ticket, or says why it has none."""

from collections.abc import Iterator

import sqlalchemy as sa

from pipemend.store.schema import alerts, deliveries, tickets
from pipemend.store.verify.facts import Facts, Violation


def every_alert_has_its_ticket(db: sa.Connection, facts: Facts) -> Iterator[Violation]:
    """A settled alert has joined a ticket, has gone on as the runs it was about, or is ignored with a reason."""
    rule = "alert without a ticket"
    known = sa.exists().where(tickets.c.id == alerts.c.ticket_id)
    lost = sa.or_(
        sa.and_(alerts.c.state == "joined", ~known),
        sa.and_(alerts.c.state == "ignored", sa.func.coalesce(alerts.c.reason, "") == ""),
    )
    wish = sa.select(alerts.c.id, alerts.c.state, alerts.c.ticket_id, alerts.c.reason).where(lost)
    rows = db.execute(wish.order_by(alerts.c.id)).all()
    gone_on = _gone_on(db) if any(row.ticket_id is None for row in rows) else set()
    for row in rows:
        if row.state == "ignored":
            yield Violation(rule, f"alert {row.id}", "ignored without a reason")
        elif row.ticket_id is not None:
            yield Violation(rule, row.ticket_id, f"alert {row.id} joined a ticket that is not there")
        elif row.id not in gone_on:
            yield Violation(rule, f"alert {row.id}", f"joined no ticket ({row.reason})")


def _gone_on(db: sa.Connection) -> set[int]:
    """Alerts that named no run and went on as one alert for each run that was found."""
    keys = db.scalars(sa.select(alerts.c.feed_key).where(alerts.c.feed_key.startswith("found:")))
    return {int(key.split(":")[1]) for key in keys}


def every_delivery_has_its_alerts(db: sa.Connection, facts: Facts) -> Iterator[Violation]:
    """An accepted delivery has as many alerts as were read from it, until both are old enough to be deleted."""
    oldest = sa.select(sa.func.min(alerts.c.created_at)).scalar_subquery()
    kept = sa.select(alerts.c.delivery_id, sa.func.count().label("number")).group_by(alerts.c.delivery_id).subquery()
    number = sa.func.coalesce(kept.c.number, 0)
    wish = (
        sa.select(deliveries.c.id, deliveries.c.accepted, number.label("number"))
        .join_from(deliveries, kept, kept.c.delivery_id == deliveries.c.id, isouter=True)
        .where(
            deliveries.c.outcome == "accepted",
            deliveries.c.accepted != number,
            sa.or_(deliveries.c.received_at > oldest, oldest.is_(None)),
        )
        .order_by(deliveries.c.id)
    )
    for row in db.execute(wish):
        says = f"{row.accepted} alerts were accepted, {row.number} are there"
        yield Violation("delivery without its alerts", f"delivery {row.id}", says)
