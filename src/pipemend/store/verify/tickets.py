"""A ticket's words fit together, and with its attempts and runs."""

from collections.abc import Iterator, Mapping

import sqlalchemy as sa

from pipemend.core.attempt import AttemptStatus
from pipemend.core.ticket import AI_USER, MERGED_USER, Approval, RemediationStatus, Status
from pipemend.store.attempts import WAITS_OR_LIVES
from pipemend.store.schema import attempts, ticket_runs, tickets
from pipemend.store.verify.attempts import BEGUN
from pipemend.store.verify.facts import Facts, Violation

T = tickets.c
CLOSED = T.status == Status.ACKNOWLEDGED
AWAITING = sa.func.coalesce(sa.cast(T.approval, sa.Text), "") == str(Approval.AWAITING)
REPAIR = sa.func.coalesce(sa.cast(T.remediation_status, sa.Text), "")
HEALED = REPAIR.in_([str(RemediationStatus.SUCCEEDED)])
IN_PROGRESS = REPAIR.in_([str(RemediationStatus.IN_PROGRESS)])

# What must not be, and how it is said.
MISFITS: Mapping[str, sa.ColumnElement[bool]] = {
    "it is closed, and nobody has closed it": sa.and_(CLOSED, sa.or_(T.ack_user.is_(None), T.ack_ts.is_(None))),
    "it is not closed, and somebody has closed it": sa.and_(
        ~CLOSED, sa.or_(T.ack_user.is_not(None), T.ack_ts.is_not(None))
    ),
    "it is healed, and not closed": sa.and_(HEALED, ~CLOSED),
    "the machine has closed it, and it is not healed": sa.and_(sa.func.coalesce(T.ack_user, "") == AI_USER, ~HEALED),
    "it is merged, and was not closed as merged": sa.and_(
        T.merged_into.is_not(None), sa.func.coalesce(T.ack_user, "") != MERGED_USER
    ),
    "it was closed as merged, and says not into what": sa.and_(
        sa.func.coalesce(T.ack_user, "") == MERGED_USER, T.merged_into.is_(None)
    ),
    "it waits for an approval, and is closed": sa.and_(AWAITING, CLOSED),
    "an approval is awaited without end": sa.and_(AWAITING, T.approval_expires_at.is_(None)),
    "it waits for an approval, and says not of what": sa.and_(AWAITING, T.proposal.is_(None)),
}


def words_fit_together(db: sa.Connection, facts: Facts) -> Iterator[Violation]:
    """The columns of a ticket that say how it stands do not contradict each other."""
    said = sa.case(*((misfit, sa.literal(words)) for words, misfit in MISFITS.items()))
    wish = sa.select(T.id, said.label("said")).where(sa.or_(*MISFITS.values())).order_by(T.id)
    for row in db.execute(wish):
        yield Violation("words that do not fit", row.id, row.said)


def the_repair_says_what_the_attempts_say(db: sa.Connection, facts: Facts) -> Iterator[Violation]:
    """In progress while an attempt waits or runs, and then only; nothing while none has begun; a right count."""
    pending = sa.func.count(sa.case((attempts.c.status.in_(WAITS_OR_LIVES), 1)))
    begun = sa.func.max(sa.case((BEGUN, attempts.c.attempt_number), else_=0))
    succeeded = sa.func.count(sa.case((attempts.c.status == AttemptStatus.SUCCEEDED, 1)))
    columns = (pending.label("pending"), begun.label("begun"), succeeded.label("succeeded"))
    made = sa.select(attempts.c.ticket_id, *columns).group_by(attempts.c.ticket_id).subquery()
    pends, number = sa.func.coalesce(made.c.pending, 0), sa.func.coalesce(made.c.begun, 0)
    wrong = {
        "an attempt waits or runs, and the repair is not in progress": sa.and_(pends > 0, ~IN_PROGRESS),
        "the repair is in progress, and no attempt waits or runs": sa.and_(pends == 0, IN_PROGRESS, ~AWAITING),
        "the last attempt that was begun has another number": T.remediation_attempts != number,
        "an attempt was begun, and the repair says nothing": sa.and_(REPAIR == "", number > 0),
        "it waits for an approval while an attempt waits or runs": sa.and_(AWAITING, pends > 0),
    }
    said = sa.case(*((misfit, sa.literal(words)) for words, misfit in wrong.items()))
    wish = (
        sa.select(T.id, said.label("said"))
        .join_from(tickets, made, made.c.ticket_id == T.id, isouter=True)
        .where(sa.or_(*wrong.values()))
        .order_by(T.id)
    )
    for row in db.execute(wish):
        yield Violation("repair and attempts differ", row.id, row.said)


def every_root_has_its_ticket(db: sa.Connection, facts: Facts) -> Iterator[Violation]:
    """The run that a ticket was opened for is noted as that ticket's."""
    noted = sa.exists().where(
        ticket_runs.c.platform == T.platform,
        ticket_runs.c.resource == T.resource,
        ticket_runs.c.run_id == T.root_run_id,
        ticket_runs.c.ticket_id == T.id,
    )
    for row in db.execute(sa.select(T.id, T.root_run_id).where(~noted).order_by(T.id)):
        yield Violation("root without its ticket", row.id, f"the run {row.root_run_id} is not noted as its root")


def merged_ones_point_at_a_living_one(db: sa.Connection, facts: Facts) -> Iterator[Violation]:
    """What is merged leads to a ticket that is there and is not merged itself."""
    target = tickets.alias("target")
    living = sa.exists().where(target.c.id == T.merged_into, target.c.merged_into.is_(None))
    wish = sa.select(T.id, T.merged_into).where(T.tab == "merged", T.merged_into.is_not(None), ~living)
    for row in db.execute(wish.order_by(T.id)):
        yield Violation("merged into nothing", row.id, f"{row.merged_into} is not there, or is merged itself")
