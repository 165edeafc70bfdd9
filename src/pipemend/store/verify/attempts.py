"""No loops and no second starts: attempts are counted, one at a time, and each rerun has one of them."""

from collections.abc import Iterator

import sqlalchemy as sa

from pipemend.core.attempt import AttemptStatus
from pipemend.core.run import RunStatus
from pipemend.core.ticket import AI_USER, RemediationStatus
from pipemend.store.attempts import WAITS_OR_LIVES
from pipemend.store.schema import attempts, leases, ticket_runs, tickets
from pipemend.store.verify.facts import Facts, Violation

BEGUN = attempts.c.via.is_not(None)  # written when it leaves `waiting`
RERUN = sa.and_(ticket_runs.c.ticket_id == attempts.c.ticket_id, ticket_runs.c.run_id == attempts.c.remediation_run_id)


def numbers_have_no_holes(db: sa.Connection, facts: Facts) -> Iterator[Violation]:
    """The attempts of a ticket are numbered from 1, and none is missing."""
    lowest, highest = sa.func.min(attempts.c.attempt_number), sa.func.max(attempts.c.attempt_number)
    wish = (
        sa.select(attempts.c.ticket_id, lowest.label("lowest"), highest.label("highest"), sa.func.count().label("n"))
        .group_by(attempts.c.ticket_id)
        .having(sa.or_(lowest != 1, highest != sa.func.count()))
    )
    for row in db.execute(wish):
        says = f"{row.n} attempts are numbered from {row.lowest} to {row.highest}"
        yield Violation("attempts with a hole", row.ticket_id, says)


def nobody_went_beyond_the_limit(db: sa.Connection, facts: Facts) -> Iterator[Violation]:
    """Attempts that were begun are within the limit of their playbook and what people granted; people's within that.

    An attempt's `max_retries` is at least its own number, so a last attempt says nothing about the limit.
    """
    by_person = sa.func.count(sa.case((sa.and_(BEGUN, attempts.c.by != AI_USER), 1)))
    says_limit = sa.or_(attempts.c.attempt_number < attempts.c.max_retries, attempts.c.attempt_number == 1)
    told = sa.func.coalesce(sa.func.max(sa.case((says_limit, attempts.c.max_retries))), 0)
    counted = (
        sa.select(
            attempts.c.ticket_id,
            sa.func.count(sa.case((BEGUN, 1))).label("begun"),
            by_person.label("by_person"),
            told.label("told"),
        )
        .group_by(attempts.c.ticket_id)
        .subquery()
    )
    allowed, last = counted.c.told + tickets.c.granted, sa.func.coalesce(tickets.c.max_attempts, 0)
    too_many = sa.and_(counted.c.begun > allowed, counted.c.begun > last)
    wish = (
        sa.select(counted, tickets.c.granted, sa.case((allowed > last, allowed), else_=last).label("allowed"))
        .join_from(counted, tickets, counted.c.ticket_id == tickets.c.id)
        .where(sa.or_(too_many, counted.c.by_person > tickets.c.granted))
    )
    for row in db.execute(wish):
        if row.begun > row.allowed:
            says = f"{row.begun} attempts were begun, {row.allowed} were allowed"
        else:
            says = f"{row.by_person} attempts were begun for people, {row.granted} were granted"
        yield Violation("attempts beyond the limit", row.ticket_id, says)


def one_attempt_at_a_time(db: sa.Connection, facts: Facts) -> Iterator[Violation]:
    """No attempt waits or runs beside another one of its ticket."""
    wish = (
        sa.select(attempts.c.ticket_id, sa.func.count().label("n"))
        .where(attempts.c.status.in_(WAITS_OR_LIVES))
        .group_by(attempts.c.ticket_id)
        .having(sa.func.count() > 1)
    )
    for row in db.execute(wish):
        yield Violation("two attempts at once", row.ticket_id, f"{row.n} attempts wait or run")


def one_rerun_belongs_to_one_attempt(db: sa.Connection, facts: Facts) -> Iterator[Violation]:
    """A rerun is claimed by one attempt, and is known as the rerun of that attempt's ticket."""
    claims = (
        sa.select(
            tickets.c.resource, attempts.c.remediation_run_id, sa.func.min(attempts.c.ticket_id).label("ticket_id")
        )
        .join_from(attempts, tickets, attempts.c.ticket_id == tickets.c.id)
        .where(attempts.c.remediation_run_id.is_not(None))
        .group_by(tickets.c.platform, tickets.c.resource, attempts.c.remediation_run_id)
        .having(sa.func.count() > 1)
    )
    for row in db.execute(claims):
        says = f"several attempts claim the run {row.remediation_run_id}"
        yield Violation("rerun claimed twice", row.ticket_id, says)
    known = sa.exists().where(RERUN, ticket_runs.c.role == "rerun")
    wish = sa.select(attempts.c.ticket_id, attempts.c.remediation_run_id)
    for ticket_id, run_id in db.execute(wish.where(attempts.c.remediation_run_id.is_not(None), ~known)):
        yield Violation("rerun claimed twice", ticket_id, f"the run {run_id} is not noted as its rerun")


def what_is_borrowed_has_its_attempt(db: sa.Connection, facts: Facts) -> Iterator[Violation]:
    """What a remedy has borrowed outside, such as a cluster, was borrowed by an attempt that has begun."""
    begun = sa.exists().where(attempts.c.key == leases.c.attempt_key, BEGUN)
    for target, key in db.execute(sa.select(leases.c.target, leases.c.attempt_key).where(~begun)):
        says = f"{target} was borrowed for attempt {key}, which was never begun"
        yield Violation("borrowed by nobody", key.rpartition("-")[0], says)


def healed_by_the_platforms_word(db: sa.Connection, facts: Facts) -> Iterator[Violation]:
    """An attempt has succeeded, and a ticket is healed, only where the platform said that the rerun did."""
    rule = "healed without the platform's word"
    well = sa.exists().where(RERUN, ticket_runs.c.status == str(RunStatus.SUCCEEDED))
    succeeded = attempts.c.status == AttemptStatus.SUCCEEDED
    wish = sa.select(attempts.c.ticket_id, attempts.c.attempt_number, attempts.c.remediation_run_id)
    for row in db.execute(wish.where(succeeded, ~well)):
        says = f"attempt {row.attempt_number} has succeeded, its run {row.remediation_run_id} has not"
        yield Violation(rule, row.ticket_id, says)
    one = sa.exists().where(
        attempts.c.ticket_id == tickets.c.id,
        attempts.c.remediation_run_id == tickets.c.remediation_run_id,
        succeeded,
    )
    healed = sa.or_(tickets.c.remediation_status == RemediationStatus.SUCCEEDED, tickets.c.ack_user == AI_USER)
    for ticket_id in db.scalars(sa.select(tickets.c.id).where(healed, ~one)):
        yield Violation(rule, ticket_id, "it counts as healed, and none of its attempts has succeeded with that run")
