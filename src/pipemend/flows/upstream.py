"""What has failed upstream is run again for whoever waits for it: as an attempt of its own ticket, by its own rules.

So it is started once whatever happens, its failure makes no loop, and nobody repairs it twice.
"""

import asyncio
from functools import partial

import sqlalchemy as sa

from pipemend.core.attempt import RERUN, UPSTREAM, Attempt, Declined, Needs, Progress, Wait
from pipemend.core.errors import OutsideError
from pipemend.core.guardrails import judge
from pipemend.core.rca import UNCLASSIFIED, Remediable
from pipemend.core.run import Run, RunStatus
from pipemend.core.ticket import AI_USER, PIPELINE_USER, RECOVERED_USER, Approval, Ticket
from pipemend.flows import endings
from pipemend.flows.decision import Grounds, decide, situation
from pipemend.flows.feed import report
from pipemend.flows.intake import climb
from pipemend.flows.saving import surely
from pipemend.flows.services import Services
from pipemend.store import audit, tickets

READ_SECONDS, AGAIN = 10, 60.0
SOON = 15.0  # until a failure that was just reported has its ticket
WENT_WELL = (AI_USER, RECOVERED_USER, PIPELINE_USER)


async def run_again(s: Services, attempt: Attempt, needs: Needs) -> Progress:
    """Sees to it that what failed upstream is run again, and says what that means for the attempt that waits."""
    found: list[Wait] = []
    for name, run in needs.failed:
        one = await _one(s, attempt, name, run)
        if isinstance(one, Declined):
            return one
        found.append(one)
    waits = [one for one in found if one.stage == UPSTREAM] + ([Wait(AGAIN, UPSTREAM, needs.why)] if needs.why else [])
    why = "; ".join(one.why for one in waits or found)
    return Wait(min(one.seconds for one in waits), UPSTREAM, why) if waits else Wait(0, RERUN, why)


async def _one(s: Services, attempt: Attempt, name: str, run: Run) -> Wait | Declined:
    platform = s.platforms[run.ref.platform]
    try:
        async with asyncio.timeout(READ_SECONDS):
            root = await climb(platform, run)
    except (OutsideError, TimeoutError) as error:
        why = str(error) or "no answer in time"
        return Wait(AGAIN, UPSTREAM, f"nobody can say how {name} upstream of it stands: {why}")
    said = f"{name} upstream of it has failed ({run.ref.run_id})"
    if not root.ended:
        return Wait(AGAIN, UPSTREAM, f"{said}, and the run that it belongs to is still running ({root.ref.run_id})")
    if not root.failed:
        went = "well without it" if root.status is RunStatus.SUCCEEDED else "no further: it was cancelled"
        return Declined(f"{said}; the run that it belongs to went {went}: a person decides", final=True)
    return await surely(s, partial(_want, s, attempt, said, root))


def _want(s: Services, attempt: Attempt, said: str, root: Run, db: sa.Connection) -> Wait | Declined:
    """One unit: the ticket upstream gets its attempt, or has one, or people are told why there will be none."""
    ticket = _ticket_of(db, root)
    if ticket is None:
        report(db, root, s.clock.now())
        return Wait(SOON, UPSTREAM, f"{said}: its ticket is being opened")
    if ticket.id == attempt.ticket_id:
        return Wait(0, RERUN, f"{said} in the same run: it is run again with it")
    ticket = tickets.lock(db, ticket.id)
    said = f"{said}, ticket {ticket.id}"
    if under_way := _under_way(db, ticket):
        return Wait(AGAIN, UPSTREAM, f"{said}: {under_way}")
    if ticket.closed:
        return Declined(f"{said}, which {ticket.ack_user} has closed: a person decides", final=True)
    if ticket.rca.get("wanted_by") == attempt.key:
        return Declined(f"{said}, {_in_vain(db, ticket)}", final=True)
    return _granted(db, s, attempt, ticket, said)


def _granted(db: sa.Connection, s: Services, attempt: Attempt, ticket: Ticket, said: str) -> Wait | Declined:
    now = s.clock.now()
    grounds = _grounds(ticket, attempt)
    decision = judge(situation(db, s, ticket, grounds, now, wanted=True))
    if decision.never:
        return Declined(f"{said}: it is not run again, for {decision.why}", final=True)
    ticket = tickets.move(db, ticket, rca={**ticket.rca, "wanted_by": attempt.key})
    details = {"wanted_by": attempt.ticket_id, "attempt": attempt.attempt_number}
    audit.write(db, "rerun_wanted", at=now, user=AI_USER, ticket=ticket, details=details)
    ticket = decide(db, s, ticket, grounds, now)
    return Wait(AGAIN, UPSTREAM, f"{said}: {_under_way(db, ticket) or 'it is run again'}")


def _grounds(ticket: Ticket, attempt: Attempt) -> Grounds:
    """Somebody waits for it, and a rule says so: that makes up for a cause that nobody knows, or for a condition. What
    would surely fail again is not run."""
    hopeless = ticket.rca.get("remediable") == Remediable.NO and ticket.error_type != UNCLASSIFIED
    return Grounds(
        error_type=ticket.error_type or UNCLASSIFIED,
        possible=ticket.auto_heal_possible or not hopeless,
        says=str(ticket.rca.get("says", "")),
        reason=f"{attempt.pipeline} waits for it ({attempt.ticket_id})",
    )


def _ticket_of(db: sa.Connection, root: Run) -> Ticket | None:
    row = tickets.known_run(db, root.ref)
    found = tickets.get(db, row.ticket_id) if row else None
    if found is None and root.group_id is not None:
        found = tickets.by_group(db, root.ref.platform, root.ref.resource, root.group_id)
    return tickets.get(db, found.merged_into) if found and found.merged_into else found


def _under_way(db: sa.Connection, ticket: Ticket) -> str | None:
    """What is being done about it already."""
    if endings.pending(db, ticket):
        return "its repair is under way"
    if ticket.closed:
        return "its repair has just ended" if ticket.ack_user in WENT_WELL else None
    if ticket.approval is Approval.AWAITING:
        return "people are asked whether it may be run again"
    return "it is being decided about" if ticket.due_at is not None or ticket.owner is not None else None


def _in_vain(db: sa.Connection, ticket: Ticket) -> str:
    """What came of it that somebody wanted it to be run again."""
    if ticket.remediation_attempts:
        return f"also when it was run again: {endings.last_failure(db, ticket) or 'nobody knows why'}"
    return f"and was not run again: {ticket.hands_off or ticket.decision.get('why')}"
