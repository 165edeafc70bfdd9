"""Tickets and the runs that belong to them."""

from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import asdict, fields, replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from pipemend.core.badge import Tab
from pipemend.core.errors import MoveRefused, NotFound, Overtaken
from pipemend.core.run import Resource, RunRef, RunStatus
from pipemend.core.sla import SlaStatus
from pipemend.core.ticket import REMEDIATION_MOVES, Ticket
from pipemend.store.rows import Row, as_read, insert_new
from pipemend.store.schema import ticket_runs, tickets

COLUMNS = [tickets.c[field.name] for field in fields(Ticket)]
# Made once: what is asked a dozen times for each repair need not be put together each time.
ONE = sa.select(*COLUMNS).where(tickets.c.id == sa.bindparam("wanted"))
LOCKED = ONE.with_for_update()
MOVED = tickets.update().where(
    tickets.c.id == sa.bindparam("was_id"), tickets.c.revision == sa.bindparam("was_revision")
)


def from_row(row: Row) -> Ticket:
    """The ticket in a row of COLUMNS."""
    values = dict(row._mapping)
    values["recommendations"] = tuple(values["recommendations"] or ())
    return Ticket(**{name: values[name] for name in (field.name for field in fields(Ticket))})


def insert(db: sa.Connection, ticket: Ticket) -> bool:
    """Opens the ticket; False when its root run has one already."""
    values = {**asdict(ticket), "recommendations": list(ticket.recommendations), "search_text": search_text(ticket)}
    return insert_new(db, tickets, values) is not None


def find(db: sa.Connection, ticket_id: str) -> Ticket | None:
    row = db.execute(ONE, {"wanted": ticket_id}).first()
    return from_row(row) if row else None


def get(db: sa.Connection, ticket_id: str) -> Ticket:
    """Raises NotFound."""
    found = find(db, ticket_id)
    if found is None:
        raise NotFound(f"there is no ticket {ticket_id}")
    return found


def lock(db: sa.Connection, ticket_id: str) -> Ticket:
    """The ticket, kept from others until the unit ends: whoever changes a ticket or its attempts begins here."""
    row = db.execute(LOCKED, {"wanted": ticket_id}).first()
    if row is None:
        raise NotFound(f"there is no ticket {ticket_id}")
    return from_row(row)


def by_root(db: sa.Connection, ref: RunRef) -> Ticket | None:
    row = db.execute(
        sa.select(*COLUMNS).where(
            tickets.c.platform == ref.platform,
            tickets.c.resource == ref.resource,
            tickets.c.root_run_id == ref.run_id,
        )
    ).first()
    return from_row(row) if row else None


def by_group(db: sa.Connection, platform: str, resource: str, group_id: str) -> Ticket | None:
    """The youngest ticket whose run belongs to this group."""
    row = db.execute(
        sa.select(*COLUMNS)
        .where(
            tickets.c.platform == platform,
            tickets.c.resource == resource,
            tickets.c.run_group_id == group_id,
            tickets.c.merged_into.is_(None),
        )
        .order_by(tickets.c.timestamp.desc())
        .limit(1)
    ).first()
    return from_row(row) if row else None


def by_issue(db: sa.Connection, key: str) -> Ticket | None:
    """The youngest ticket whose issue has this key."""
    wish = sa.select(*COLUMNS).where(tickets.c.itsm_ticket_id == key).order_by(tickets.c.timestamp.desc()).limit(1)
    row = db.execute(wish).first()
    return from_row(row) if row else None


def move(db: sa.Connection, was: Ticket, **changes: Any) -> Ticket:
    """Changes the ticket if nobody else has since; raises Overtaken or MoveRefused."""
    _check(was, changes)
    changes["revision"] = was.revision + 1
    if db.execute(MOVED, {"was_id": was.id, "was_revision": was.revision, **changes}).rowcount != 1:
        raise Overtaken(was.id)
    ticket = _with(was, as_read(tickets, changes))
    if changes.keys() & SEARCHED:
        db.execute(tickets.update().where(tickets.c.id == was.id).values(search_text=search_text(ticket)))
    return ticket


def _with(was: Ticket, changes: dict[str, Any]) -> Ticket:
    if "recommendations" in changes:
        changes["recommendations"] = tuple(changes["recommendations"] or ())
    return replace(was, **changes)


def _check(was: Ticket, changes: dict[str, Any]) -> None:
    if "remediation_status" not in changes:
        return
    becomes = changes["remediation_status"]
    if becomes != was.remediation_status and becomes not in REMEDIATION_MOVES[was.remediation_status]:
        raise MoveRefused(f"{was.id}: a repair that is {was.remediation_status} cannot become {becomes}")


SEARCHED = {"pipeline", "error_type", "error_code", "error_message", "itsm_ticket_id", "run_id", "root_run_id"}
SEARCHED_MESSAGE, SEARCHED_BYTES = 160, 1200  # every search reads every ticket's text, so it is kept short


def search_text(ticket: Ticket) -> str:
    """What the search looks through, in small letters."""
    words = (
        ticket.id,
        ticket.pipeline,
        ticket.display_resource,
        ticket.error_type,
        ticket.error_code,
        ticket.run_id,
        ticket.root_run_id if ticket.root_run_id != ticket.run_id else None,
        ticket.itsm_ticket_id,
        ticket.finops_team,
        (ticket.error_message or "")[:SEARCHED_MESSAGE],
    )
    text = " ".join(word for word in words if word).lower()
    return text.encode()[:SEARCHED_BYTES].decode(errors="ignore")


def claim_due(db: sa.Connection, now: datetime, limit: int, until: datetime, owner: str) -> Sequence[Ticket]:
    """Tickets whose decision is due, leased to `owner` until `until`."""
    due = (
        sa.select(tickets.c.id)
        .where(tickets.c.due_at <= now)
        .order_by(tickets.c.due_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    rows = db.execute(
        tickets.update()
        .where(tickets.c.id.in_(due))
        .values(due_at=until, owner=owner, revision=tickets.c.revision + 1)
        .returning(*COLUMNS)
    ).all()
    return [from_row(row) for row in rows]


UNCLOSED = [str(tab) for tab in Tab if tab is not Tab.CLOSED]


def past_sla(db: sa.Connection, now: datetime, limit: int) -> Sequence[str]:
    """Unclosed tickets whose time is over, unsaid so far. Looked for by tab, so closed ones cost nothing."""
    pending = sa.and_(tickets.c.tab.in_(UNCLOSED), tickets.c.sla_status == str(SlaStatus.PENDING))
    spans = db.scalars(sa.select(tickets.c.sla_seconds).where(pending).distinct()).all()
    over = [
        sa.and_(tickets.c.sla_seconds == seconds, tickets.c.timestamp < now - timedelta(seconds=seconds))
        for seconds in spans
    ]
    if not over:
        return []
    wish = sa.select(tickets.c.id).where(pending, sa.or_(*over)).order_by(tickets.c.timestamp, tickets.c.id)
    return db.scalars(wish.limit(limit)).all()


def add_run(
    db: sa.Connection, ref: RunRef, ticket_id: str, role: str, status: RunStatus, ended_at: datetime | None = None
) -> bool:
    """Notes that a run belongs to a ticket; False when it belongs to one already."""
    values = {
        "platform": ref.platform,
        "resource": ref.resource,
        "run_id": ref.run_id,
        "ticket_id": ticket_id,
        "role": role,
        "status": str(status),
        "ended_at": ended_at,
    }
    return insert_new(db, ticket_runs, values) is not None


def known_run(db: sa.Connection, ref: RunRef) -> Row | None:
    """The row of a run that belongs to one of our tickets: ticket_id, role, status, ended_at."""
    return db.execute(sa.select(ticket_runs).where(_is(ref))).first()


def known_runs(db: sa.Connection, resource: Resource, run_ids: Sequence[str]) -> Mapping[str, Row]:
    """Those of some runs that belong to our tickets, by their ids."""
    rows = db.execute(sa.select(ticket_runs).where(_at(ticket_runs, resource), ticket_runs.c.run_id.in_(run_ids)))
    return {row.run_id: row for row in rows}


def groups(db: sa.Connection, resource: Resource, among: Collection[str]) -> Set[str]:
    """Those of some run groups in which a run of a ticket has failed."""
    wish = sa.select(tickets.c.run_group_id).where(_at(tickets, resource), tickets.c.run_group_id.in_(among))
    return set(db.scalars(wish))


def run_changed(db: sa.Connection, ref: RunRef, status: RunStatus, ended_at: datetime | None) -> None:
    db.execute(ticket_runs.update().where(_is(ref)).values(status=str(status), ended_at=ended_at))


def hand_over_runs(db: sa.Connection, ticket_id: str, into: str, *, root_as: str) -> None:
    """The runs of a ticket belong to another one from now on; its root as `root_as`."""
    role = sa.case((ticket_runs.c.role == "root", root_as), else_=ticket_runs.c.role)
    db.execute(ticket_runs.update().where(ticket_runs.c.ticket_id == ticket_id).values(ticket_id=into, role=role))


def runs_of(db: sa.Connection, ticket_id: str) -> Sequence[Row]:
    return db.execute(sa.select(ticket_runs).where(ticket_runs.c.ticket_id == ticket_id)).all()


def _at(table: sa.Table, resource: Resource) -> sa.ColumnElement[bool]:
    return sa.and_(table.c.platform == resource.platform, table.c.resource == resource.id)


def _is(ref: RunRef) -> sa.ColumnElement[bool]:
    return sa.and_(
        ticket_runs.c.platform == ref.platform,
        ticket_runs.c.resource == ref.resource,
        ticket_runs.c.run_id == ref.run_id,
    )


def fill(db: sa.Connection, ticket_id: str, **columns: Any) -> None:
    """Writes columns that nothing is decided by, such as where messages went: the revision stays."""
    db.execute(tickets.update().where(tickets.c.id == ticket_id).values(**columns))
