"""Attempts: one row each, moved by conditional updates."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import fields, replace
from datetime import datetime, timedelta
from statistics import median
from typing import Any

import sqlalchemy as sa

from pipemend.core.attempt import FOUND, LIVE, LOST, MOVES, RERUN, UPSTREAM, Attempt, AttemptStatus
from pipemend.core.errors import MoveRefused, NotFound, Overtaken
from pipemend.core.run import Resource, RunRef, RunStatus
from pipemend.store.rows import Row, as_read
from pipemend.store.schema import attempts, ticket_runs, tickets

WAITS_OR_LIVES = (AttemptStatus.WAITING, *LIVE)
FROM_TICKET = {
    "platform": tickets.c.platform,
    "resource": tickets.c.resource,
    "resource_name": tickets.c.display_resource.label("resource_name"),
    "pipeline": tickets.c.pipeline,
    "run_group_id": tickets.c.run_group_id,
}
COLUMNS = [
    FROM_TICKET[field.name] if field.name in FROM_TICKET else attempts.c[field.name] for field in fields(Attempt)
]
NAMED_ONLY = sa.exists().where(
    ticket_runs.c.ticket_id == attempts.c.ticket_id,
    ticket_runs.c.run_id == attempts.c.remediation_run_id,
    ticket_runs.c.status == str(RunStatus.UNKNOWN),
)
# Nothing of it runs: it waits for the work of others, or for room to start its own after that.
AWAITS_OTHERS = sa.and_(
    attempts.c.remediation_action == "check_upstream",
    attempts.c.remediation_run_id.is_(None),
    sa.or_(
        attempts.c.stage == UPSTREAM,
        sa.and_(
            attempts.c.stage == RERUN, attempts.c.status == AttemptStatus.IN_PROGRESS, attempts.c.due_at.is_not(None)
        ),
    ),
)
# Taken for the start, and not begun yet.
CLAIMED = sa.and_(attempts.c.status == AttemptStatus.WAITING, attempts.c.due_at.is_(None))
WHOLE = sa.select(*COLUMNS).join_from(attempts, tickets, attempts.c.ticket_id == tickets.c.id)
# Made once: what is asked a dozen times for each repair need not be put together each time.
ONE = WHOLE.where(attempts.c.key == sa.bindparam("wanted"))
ALL = WHOLE.where(attempts.c.ticket_id == sa.bindparam("wanted")).order_by(attempts.c.attempt_number)
MOVED = attempts.update().where(
    attempts.c.id == sa.bindparam("was_id"),
    attempts.c.status == sa.bindparam("was_status"),
    attempts.c.revision == sa.bindparam("was_revision"),
)


def from_row(row: Row) -> Attempt:
    return Attempt(**dict(row._mapping))


def insert(db: sa.Connection, **values: Any) -> Attempt:
    """A new attempt, waiting. Its key says which ticket and which number."""
    key = f"{values['ticket_id']}-{values['attempt_number']}"
    db.execute(attempts.insert().values(key=key, status=AttemptStatus.WAITING, **values))
    return get(db, key)


def get(db: sa.Connection, key: str) -> Attempt:
    """Raises NotFound."""
    row = db.execute(ONE, {"wanted": key}).first()
    if row is None:
        raise NotFound(f"there is no attempt {key}")
    return from_row(row)


def of_ticket(db: sa.Connection, ticket_id: str) -> Sequence[Attempt]:
    """In the order of their numbers."""
    return [from_row(row) for row in db.execute(ALL, {"wanted": ticket_id}).all()]


def by_rerun(db: sa.Connection, ref: RunRef) -> Attempt | None:
    """The attempt that started this run."""
    row = db.execute(
        WHOLE.where(
            attempts.c.remediation_run_id == ref.run_id,
            tickets.c.platform == ref.platform,
            tickets.c.resource == ref.resource,
        )
    ).first()
    return from_row(row) if row else None


def watched(db: sa.Connection, resource: Resource, run_ids: Sequence[str]) -> Set[str]:
    """Those of some runs that are reruns whose end is still waited for, or may come late."""
    wish = (
        sa.select(attempts.c.remediation_run_id)
        .join(tickets, tickets.c.id == attempts.c.ticket_id)
        .where(
            attempts.c.remediation_run_id.in_(run_ids),
            attempts.c.status.in_((AttemptStatus.IN_PROGRESS, AttemptStatus.TIMED_OUT)),
            tickets.c.platform == resource.platform,
            tickets.c.resource == resource.id,
        )
    )
    return set(db.scalars(wish))


def move(db: sa.Connection, was: Attempt, becomes: AttemptStatus, **changes: Any) -> Attempt:
    """Moves the attempt if state and revision are still what they were; raises Overtaken or MoveRefused."""
    if becomes is not was.status and becomes not in MOVES[was.status]:
        raise MoveRefused(f"{was.key}: an attempt that is {was.status} cannot become {becomes}")
    changes = {"status": becomes, "stumbles": was.stumbles if becomes is was.status else 0, **changes}
    seen = {"was_id": was.id, "was_status": was.status, "was_revision": was.revision}
    if db.execute(MOVED, {**seen, **changes}).rowcount != 1:
        raise Overtaken(was.key)
    return replace(was, **as_read(attempts, changes))


def touch(db: sa.Connection, was: Attempt, **changes: Any) -> Attempt:
    """Changes the attempt without moving it, as somebody else: adds 1 to its revision."""
    return move(db, was, was.status, revision=was.revision + 1, **changes)


def due_to_start(db: sa.Connection, now: datetime, limit: int, full: Sequence[str] = ()) -> Sequence[Attempt]:
    """Attempts that wait for their call, the longest due first; none of the resources that are `full`."""
    waits = attempts.c.status == AttemptStatus.WAITING
    return _due(db, now, limit, sa.and_(waits, tickets.c.resource.not_in(full)) if full else waits)


def untold(db: sa.Connection, now: datetime, limit: int) -> Sequence[Attempt]:
    """Attempts that wait though they are due, and of which nobody has been told why."""
    return _due(db, now, limit, sa.and_(attempts.c.status == AttemptStatus.WAITING, attempts.c.held.is_(None)))


def due_to_look_at(db: sa.Connection, now: datetime, limit: int) -> Sequence[Attempt]:
    """Attempts whose call has been made, or may have been, the longest due first."""
    return _due(db, now, limit, attempts.c.status != AttemptStatus.WAITING)


def _due(db: sa.Connection, now: datetime, limit: int, which: sa.ColumnElement[bool]) -> Sequence[Attempt]:
    wish = WHOLE.where(attempts.c.due_at <= now, which).order_by(attempts.c.due_at, attempts.c.id).limit(limit)
    return [from_row(row) for row in db.execute(wish).all()]


def orphans(db: sa.Connection, limit: int) -> Sequence[Attempt]:
    """Attempts to which the machine owes something and which have no due time: a living flow must hold each."""
    wish = WHOLE.where(attempts.c.due_at.is_(None), attempts.c.status.in_(WAITS_OR_LIVES)).limit(limit)
    return [from_row(row) for row in db.execute(wish).all()]


def in_flight(db: sa.Connection) -> int:
    """Repairs under way at this moment, those being started included."""
    return sum(in_flight_by_resource(db).values())


def in_flight_by_resource(db: sa.Connection) -> Mapping[str, int]:
    """The same, of each connection."""
    of = sa.select(attempts.c.ticket_id)
    live = of.where(attempts.c.status.in_(LIVE), sa.not_(sa.func.coalesce(AWAITS_OTHERS, False)))
    busy = live.union_all(of.where(CLAIMED)).subquery()  # not `or`: an index has each of the two
    number = sa.func.count().label("number")
    wish = sa.select(tickets.c.resource, number).join_from(busy, tickets, busy.c.ticket_id == tickets.c.id)
    wish = wish.group_by(tickets.c.resource)
    return {row.resource: row.number for row in db.execute(wish)}


def started_since(db: sa.Connection, moment: datetime) -> int:
    """Attempts whose call was made after `moment`, those being started included."""
    made = sa.and_(attempts.c.started_at > moment, attempts.c.via.is_not(None))  # `via` is set when it starts
    numbers = (sa.select(sa.func.count()).where(which).scalar_subquery() for which in (made, CLAIMED))
    return sum(db.execute(sa.select(*numbers)).one())


def started_of(
    db: sa.Connection, platform: str, resource: str, pipeline: str, moment: datetime
) -> tuple[datetime, ...]:
    """When calls for this pipeline were made after `moment`."""
    wish = (
        sa.select(attempts.c.started_at)
        .join_from(attempts, tickets, attempts.c.ticket_id == tickets.c.id)
        .where(
            tickets.c.platform == platform,
            tickets.c.resource == resource,
            tickets.c.pipeline == pipeline,
            attempts.c.started_at > moment,
            attempts.c.via.is_not(None),
        )
    )
    return tuple(db.scalars(wish))


def usual_duration(db: sa.Connection, platform: str, resource: str, pipeline: str) -> timedelta | None:
    """How long reruns of the pipeline took that went well: the median of the last ten; None: fewer than three did."""
    wish = (
        sa.select(attempts.c.duration_seconds)
        .join_from(attempts, tickets, attempts.c.ticket_id == tickets.c.id)
        .where(
            tickets.c.platform == platform,
            tickets.c.resource == resource,
            tickets.c.pipeline == pipeline,
            attempts.c.status == AttemptStatus.SUCCEEDED,
            attempts.c.duration_seconds.is_not(None),
        )
        .order_by(attempts.c.id.desc())
        .limit(10)
    )
    took = db.scalars(wish).all()
    return timedelta(seconds=median(took)) if len(took) >= 3 else None


def one_by_one(db: sa.Connection, name: str) -> None:
    """Until this unit ends no other one that asks for the same name goes on. SQLite has one writer anyway."""
    if db.dialect.name == "postgresql":
        db.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(name, 0))))


def elsewhere(
    db: sa.Connection, ticket_id: str, platform: str, resource: str, pipeline: str, among: Sequence[AttemptStatus]
) -> str | None:
    """Another ticket that has an attempt on the same pipeline in one of these states."""
    return db.scalar(
        sa.select(attempts.c.ticket_id)
        .join_from(attempts, tickets, attempts.c.ticket_id == tickets.c.id)
        .where(
            tickets.c.platform == platform,
            tickets.c.resource == resource,
            tickets.c.pipeline == pipeline,
            attempts.c.ticket_id != ticket_id,
            attempts.c.status.in_(among),
        )
        .limit(1)
    )


def unaccounted(
    db: sa.Connection, platform: str, resource: str, pipeline: str, given_up_since: datetime
) -> Sequence[Attempt]:
    """Attempts of this pipeline whose rerun is not known for certain, the newest first: an unknown run may be theirs.

    Nor is one known that a playbook has named and its platform has never shown: some name a run of their own workflow.
    """
    given_up = sa.and_(attempts.c.stage.in_([LOST, FOUND]), attempts.c.completed_at > given_up_since)
    living = sa.or_(
        attempts.c.status.in_([AttemptStatus.STARTING, AttemptStatus.UNKNOWN]),
        sa.and_(attempts.c.status == AttemptStatus.IN_PROGRESS, sa.or_(NAMED_ONLY, attempts.c.stage == FOUND)),
    )
    wish = WHOLE.where(
        tickets.c.platform == platform,
        tickets.c.resource == resource,
        tickets.c.pipeline == pipeline,
        sa.or_(living, given_up),
    )
    return [from_row(row) for row in db.execute(wish.order_by(attempts.c.id.desc())).all()]


def named_only(db: sa.Connection, attempt: Attempt) -> bool:
    """Whether a playbook has named the rerun, and the platform has never shown it."""
    return db.scalar(sa.select(attempts.c.id).where(attempts.c.id == attempt.id, NAMED_ONLY)) is not None
