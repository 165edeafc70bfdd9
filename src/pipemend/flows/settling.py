"""What came of a call, or of looking for what it may have started: saved, told, and followed by what follows."""

import logging
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from pipemend.core.attempt import (
    ACCEPTED,
    FOUND,
    LOST,
    Attempt,
    AttemptStatus,
    Declined,
    Progress,
    Running,
    Unknown,
    Wait,
)
from pipemend.core.events import AttemptChanged, RemediationStarted
from pipemend.core.run import Rerun, RunRef, RunStatus
from pipemend.core.ticket import AI_USER, RemediationStatus, Ticket
from pipemend.flows import endings
from pipemend.flows.decision import Grounds, decide
from pipemend.flows.doubts import stray
from pipemend.flows.services import Services
from pipemend.store import attempts, audit, borrowed, events, tickets

log = logging.getLogger(__name__)
AGAIN = 30.0  # seconds until a stage that was disturbed is gone through again
STUMBLES = 3
UNSEEN, UNSHOWN = timedelta(minutes=10), timedelta(minutes=2)  # a rerun not heard of; one that was only named


def settle(db: sa.Connection, s: Services, key: str, progress: Progress, now: datetime) -> None:
    """Saves what came of the call."""
    tickets.lock(db, attempts.get(db, key).ticket_id)
    attempt = attempts.get(db, key)
    match progress:
        case Running(rerun=rerun):
            if attempt.via == "playbook":  # a name only, until the platform shows the run
                rerun = replace(rerun, status=RunStatus.UNKNOWN)
            adopt(db, s, attempt, rerun, now, answer=progress.answer)
        case Wait() if attempt.status is AttemptStatus.STARTING:
            _wait(db, s, attempt, progress, now)
        case Unknown() if attempt.status is AttemptStatus.STARTING:
            unclear(db, s, attempt, progress, now)
        case Declined() if attempt.status is AttemptStatus.STARTING:
            declined(db, s, attempt, progress, now)


def _wait(db: sa.Connection, s: Services, attempt: Attempt, progress: Wait, now: datetime) -> None:
    """The next stage begins later, by its row. What somebody else has borrowed is waited for in the present one."""
    holder = borrowed.take(db, attempt, progress.lease, now) if progress.lease else None
    stage, seconds, why = progress.stage, progress.seconds, progress.why
    if holder:
        stage, seconds, why = attempt.stage or "", AGAIN, f"another repair is at it ({holder}): waiting for its end"
    told, was = _told(s, attempt), attempt.failure_reason
    attempt = attempts.move(
        db,
        attempt,
        AttemptStatus.IN_PROGRESS,
        stage=stage,
        failure_reason=why or None,
        due_at=now + timedelta(seconds=seconds),
        revision=attempt.revision + 1,
    )
    if not told and _told(s, attempt):
        _started(db, s, tickets.get(db, attempt.ticket_id), attempt, now)
    if why and why != was:
        changed(db, s, attempt, "in_progress", now, reason=why)


def _told(s: Services, attempt: Attempt) -> bool:
    """Whether people know already that the attempt has begun: a playbook said yes, or its first stage is over."""
    first = s.platforms[attempt.platform].remedies[attempt.remediation_action].first.name
    return attempt.stage not in (None, first)


def adopt(
    db: sa.Connection,
    s: Services,
    attempt: Attempt,
    rerun: Rerun,
    now: datetime,
    *,
    answer: str = "",
    found: bool = False,
) -> Attempt:
    """The run that the attempt started is known: a fact, whoever else has touched the row. `found`: by looking."""
    if attempt.status not in (AttemptStatus.STARTING, AttemptStatus.UNKNOWN):
        return attempt
    ref = RunRef(attempt.platform, attempt.resource, rerun.run_id)
    if not tickets.add_run(db, ref, attempt.ticket_id, "rerun", rerun.status) and not _took_in(
        db, s, attempt, ref, now
    ):
        return _claimed_already(db, s, attempt, rerun, now)
    told = _told(s, attempt)
    unseen = now + (UNSHOWN if rerun.status is RunStatus.UNKNOWN else UNSEEN)
    unheard = now if rerun.status.ended else min(attempt.deadline or unseen, unseen)  # the feed may have shown its end
    attempt = attempts.move(
        db,
        attempt,
        AttemptStatus.IN_PROGRESS,
        remediation_run_id=rerun.run_id,
        stage=FOUND if found and attempt.via == "playbook" else attempt.stage,
        failure_reason=None,
        logic_app_response=answer or attempt.logic_app_response,
        due_at=unheard,
        revision=attempt.revision + 1,
    )
    ticket = tickets.move(db, tickets.get(db, attempt.ticket_id), remediation_run_id=rerun.run_id)
    if told:
        changed(db, s, attempt, "in_progress", now, remediation_run_id=rerun.run_id)
    else:
        _started(db, s, ticket, attempt, now)
    return attempt


def _took_in(db: sa.Connection, s: Services, attempt: Attempt, ref: RunRef, now: datetime) -> bool:
    """The rerun had a ticket of its own before it was known: that is merged into the attempt's."""
    own = stray(db, attempt, ref)
    if own is None:
        return False
    endings.merge(db, s, tickets.lock(db, own.id), tickets.get(db, attempt.ticket_id), now, root_as="rerun")
    return True


def shown(db: sa.Connection, s: Services, attempt: Attempt, rerun: Rerun, now: datetime) -> None:
    """The run that a playbook has named does not exist; this one does, and only the attempt can have started it."""
    ref = RunRef(attempt.platform, attempt.resource, rerun.run_id)
    if tickets.add_run(db, ref, attempt.ticket_id, "rerun", rerun.status) or _took_in(db, s, attempt, ref, now):
        due = now if rerun.status.ended else now + UNSEEN
        attempt = attempts.touch(db, attempt, remediation_run_id=rerun.run_id, stage=FOUND, due_at=due, owner=None)
        tickets.move(db, tickets.get(db, attempt.ticket_id), remediation_run_id=rerun.run_id)
        changed(db, s, attempt, "in_progress", now, remediation_run_id=rerun.run_id)


def _claimed_already(db: sa.Connection, s: Services, attempt: Attempt, rerun: Rerun, now: datetime) -> Attempt:
    """The named run belongs to somebody already: a playbook that repeats an old answer has started nothing of ours."""
    log.warning("a run was named that is taken", extra={"attempt": attempt.key, "run_id": rerun.run_id})
    return attempts.move(
        db,
        attempt,
        AttemptStatus.UNKNOWN if attempt.status is AttemptStatus.STARTING else attempt.status,
        failure_reason=f"the run {rerun.run_id} that was named belongs to another attempt or ticket",
        due_at=now,
        revision=attempt.revision + 1,
    )


def _started(db: sa.Connection, s: Services, ticket: Ticket, attempt: Attempt, now: datetime) -> None:
    run = attempt.remediation_run_id
    event = RemediationStarted(ticket_id=ticket.id, attempt=attempt.attempt_number, remediation_run_id=run)
    events.record(db, event, now, s.notifiers)
    audit.write(
        db,
        "auto_remediation_triggered",
        at=now,
        user=attempt.by,
        ticket=ticket,
        run_id=run,
        details={"attempt": attempt.attempt_number, "action": attempt.remediation_action},
    )


def unclear(
    db: sa.Connection,
    s: Services,
    attempt: Attempt,
    progress: Unknown,
    now: datetime,
) -> None:
    """Nobody knows yet which run was started, if any: it is looked for."""
    accepted = progress.accepted
    attempt = attempts.move(
        db,
        attempt,
        AttemptStatus.UNKNOWN,
        failure_reason=None if accepted else progress.reason,
        stage=ACCEPTED if accepted else attempt.stage,
        logic_app_response=progress.answer or None,
        later_url=progress.later_url,
        due_at=now + min(s.policy.watch_interval, timedelta(seconds=1)),
        revision=attempt.revision + 1,
    )
    if accepted:
        _started(db, s, tickets.get(db, attempt.ticket_id), attempt, now)
    else:
        changed(db, s, attempt, "unknown", now, reason=progress.reason)


def declined(db: sa.Connection, s: Services, attempt: Attempt, progress: Declined, now: datetime) -> None:
    """Nothing was started: the attempt has failed, and the next one follows, or people are told."""
    attempt = attempts.move(db, attempt, attempt.status, logic_app_response=progress.answer or None)
    failed(db, s, attempt, progress.reason, now, final=progress.final)


def failed(
    db: sa.Connection,
    s: Services,
    attempt: Attempt,
    reason: str,
    now: datetime,
    *,
    final: bool,
    grounds: Grounds | None = None,
) -> None:
    """An attempt has failed. Not final: the guardrails say whether another one follows."""
    attempt = endings.end_attempt(db, attempt, AttemptStatus.FAILED, now, reason)
    ticket = tickets.lock(db, attempt.ticket_id)
    if final or ticket.closed:
        endings.left_to_people(
            db, s, ticket, reason, now, status=RemediationStatus.FAILED, attempt=attempt.attempt_number
        )
        return
    allowed = attempt.by == AI_USER or ticket.auto_heal_possible  # what a person was granted is no word for the machine
    said = str(ticket.rca.get("says", ""))
    same = Grounds(error_type=attempt.error_type, possible=allowed, says=said, reason=reason)
    decide(db, s, ticket, grounds or same, now)


def given_up(db: sa.Connection, s: Services, attempt: Attempt, reason: str, now: datetime, *, final: bool) -> None:
    """Nobody found the run that the call may have started: an unknown one may still be it."""
    failed(db, s, attempts.move(db, attempt, attempt.status, stage=LOST), reason, now, final=final)


def stumbled(db: sa.Connection, s: Services, attempt: Attempt, why: str, again: datetime) -> None:
    """Something nobody expected befell it: it is taken up again, and at the third time people are told."""
    now = s.clock.now()
    if attempt.stumbles + 1 < STUMBLES:
        attempts.touch(db, attempt, due_at=again, owner=None, stumbles=attempt.stumbles + 1)
        return
    reason = f"Pipemend stumbled over this attempt three times: {why}"
    if attempt.status is AttemptStatus.WAITING:
        ticket = tickets.lock(db, attempt.ticket_id)
        endings.left_to_people(db, s, ticket, reason, now, status=endings.repair_so_far(ticket))
    elif attempt.remediation_run_id:
        timed_out(db, s, attempt, reason)
    else:
        given_up(db, s, attempt, reason, now, final=True)


def timed_out(db: sa.Connection, s: Services, attempt: Attempt, reason: str) -> None:
    """Nobody waits for its rerun any longer: people are told, no second one starts beside it, a late success counts."""
    now = s.clock.now()
    if attempts.named_only(db, attempt):
        attempt = attempts.move(db, attempt, attempt.status, stage=LOST)
    endings.end_attempt(db, attempt, AttemptStatus.TIMED_OUT, now, reason)
    ticket = tickets.lock(db, attempt.ticket_id)
    endings.left_to_people(db, s, ticket, reason, now, status=RemediationStatus.FAILED, attempt=attempt.attempt_number)


def changed(db: sa.Connection, s: Services, attempt: Attempt, status: str, now: datetime, **fields: Any) -> None:
    """Tells that the attempt has moved on."""
    event = AttemptChanged(ticket_id=attempt.ticket_id, attempt=attempt.attempt_number, status=status, **fields)
    events.record(db, event, now, s.notifiers)
