"""The decision: may a machine try, and when. Judged here and again before every start."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from pipemend.core.approval import Proposal
from pipemend.core.attempt import LIVE, Attempt, AttemptStatus
from pipemend.core.clock import stamp
from pipemend.core.events import AttemptChanged, Event, RetryScheduled
from pipemend.core.guardrails import Decision, judge
from pipemend.core.playbook import PipelineRule, Playbook, auto_heal_possible
from pipemend.core.ports import Platform
from pipemend.core.rca import UNCLASSIFIED, Diagnosis, Remediable
from pipemend.core.situation import Crowd, Situation, Standing
from pipemend.core.ticket import AI_USER, Approval, RemediationStatus, Ticket
from pipemend.flows import approvals, endings
from pipemend.flows.breakers import breaker_of
from pipemend.flows.services import Services
from pipemend.store import attempts, events, switches, tickets


@dataclass(frozen=True, slots=True, kw_only=True)
class Grounds:
    """What a decision rests on beside the rows: the diagnosis it is about, and what the platform said just now."""

    error_type: str
    possible: bool
    says: str = ""
    standing: Standing = Standing.FAILED
    unreachable: str | None = None
    edited: bool = False
    reason: str = ""  # why the attempt before failed

    @classmethod
    def of_ticket(cls, ticket: Ticket) -> "Grounds":
        return cls(
            error_type=ticket.error_type or "", possible=ticket.auto_heal_possible, says=str(ticket.rca.get("says", ""))
        )

    @classmethod
    def of_diagnosis(cls, s: Services, ticket: Ticket, diagnosis: Diagnosis, reason: str) -> "Grounds":
        book = s.playbooks.find(diagnosis.error_type, ticket.platform)
        possible = auto_heal_possible(diagnosis, book)
        return cls(error_type=diagnosis.error_type, possible=possible, says=says(diagnosis), reason=reason)


def grounds_of(ticket: Ticket) -> Grounds:
    """What a new look rests on: while people are asked, what they are asked about."""
    asked = ticket.proposal if ticket.approval is Approval.AWAITING else None
    return Grounds(**asked["grounds"], error_type=asked["error_type"]) if asked else Grounds.of_ticket(ticket)


WHY_NOT = {
    Remediable.NO: "the same run would fail again",
    Remediable.CONDITIONAL: "it heals only once something else has changed",
    Remediable.YES: "",
}


def says(diagnosis: Diagnosis) -> str:
    """Why the analyzer does not want a machine to try, in a few words."""
    return "its cause is not known" if diagnosis.error_type == UNCLASSIFIED else WHY_NOT[diagnosis.remediable]


def situation(
    db: sa.Connection,
    s: Services,
    ticket: Ticket,
    grounds: Grounds,
    now: datetime,
    *,
    starts: bool = False,
    crowd: Crowd | None = None,
    attempt: Attempt | None = None,
    wanted: bool | None = None,
) -> Situation:
    """Everything the guardrails may ask, read in this unit. `attempt`: the one that is to start. `wanted`: whether an
    attempt of another ticket waits for this work, where the ticket does not say so yet.

    Before a start only what lives elsewhere counts as another repair. Before that what waits counts too: of a hundred
    failures of one pipeline one has an attempt, and the others ask for nothing but a look at their rows.
    """
    attempts.one_by_one(db, f"{ticket.platform}|{ticket.resource}|{ticket.pipeline}")
    others = LIVE if starts else attempts.WAITS_OR_LIVES
    platform = s.platforms.get(ticket.platform)
    made = [a for a in attempts.of_ticket(db, ticket.id) if a.status is not AttemptStatus.WAITING]
    tried = [a for a in made if a.status is not AttemptStatus.CANCELLED]
    unused = ticket.granted > sum(a.by != AI_USER for a in made)  # one that was stopped is used up too
    by_person = unused or (attempt is not None and attempt.by != AI_USER)
    book = s.playbooks.find(grounds.error_type, ticket.platform)
    rule = s.playbooks.rule_for(ticket.display_resource, ticket.pipeline)
    wanted = _wanted(db, ticket) if wanted is None else wanted
    if (by_person or wanted) and platform is not None and (book is None or book.action not in platform.remedies):
        book = _plain_rerun(grounds.error_type, platform, times=int(wanted))
    return Situation(
        now=now,
        enabled=s.policy.enabled,
        held=switches.held(db),
        paused=switches.pause_of(db, f"{ticket.display_resource}/{ticket.pipeline}", now),
        freeze=s.playbooks.freeze,
        connection_known=ticket.connection is not None,
        resource=ticket.display_resource or ticket.resource,
        run_known=not ticket.rca.get("run_unknown"),
        masked=bool(ticket.rca.get("masked")),
        root_known=not ticket.rca.get("root_unknown"),
        failed_at=ticket.failed_at,
        max_age=s.policy.max_age,
        error_type=grounds.error_type,
        auto_heal_possible=grounds.possible,
        analyzer_says=grounds.says,
        playbook=book,
        pipeline=rule,
        started_today=_started_today(db, ticket, rule, now),
        root_ended=ticket.run_ended_at is not None or bool(ticket.rca.get("run_unknown")),
        hands_off=ticket.hands_off,
        remedy_known=book is None or platform is None or book.action in platform.remedies,
        standing=grounds.standing,
        unreachable=grounds.unreachable,
        edited=grounds.edited,
        other_repair=attempts.elsewhere(db, ticket.id, ticket.platform, ticket.resource, ticket.pipeline, others),
        attempts=len(tried),
        granted=sum(a.by != AI_USER for a in tried) + unused,
        by_person=by_person,
        asked=ticket.approval is Approval.AWAITING or (attempt is not None and attempt.approved_by is not None),
        wanted=wanted,
        approved=_approved(attempt, book),
        crowd=crowd,
        breaker=breaker_of(db, s, (grounds.error_type, book.action), now) if book else None,
    )


def _approved(attempt: Attempt | None, book: Playbook | None) -> bool:
    """A yes is for one action: once the playbook has another one it does not count."""
    if attempt is None or attempt.approved_by is None or book is None:
        return False
    return attempt.remediation_action == book.action


def _started_today(db: sa.Connection, ticket: Ticket, rule: PipelineRule, now: datetime) -> tuple[datetime, ...]:
    """When reruns of the pipeline were started, where a rule counts them."""
    if rule.max_repairs_per_day is None:
        return ()
    return attempts.started_of(db, ticket.platform, ticket.resource, ticket.pipeline, now - timedelta(days=1))


def _wanted(db: sa.Connection, ticket: Ticket) -> bool:
    """Whether an attempt of another ticket waits for this work to be done again."""
    key = ticket.rca.get("wanted_by")
    return key is not None and attempts.get(db, key).status in LIVE


def _plain_rerun(error_type: str, platform: Platform, times: int) -> Playbook | None:
    """What a person's Retry means where no playbook can be followed, and what others want who wait for the work: run it
    again. `times`: beside those that people have granted."""
    action = next((name for name in ("retry_pipeline", "retry_job") if name in platform.remedies), None)
    return Playbook(error_type=error_type, action=action, max_retries=times) if action else None


def decide(db: sa.Connection, s: Services, ticket: Ticket, grounds: Grounds, now: datetime) -> Ticket:
    """Judges the ticket and does what follows: an attempt is scheduled, people are asked or told, or it waits."""
    if ticket.closed or endings.pending(db, ticket):  # somebody was quicker
        return tickets.move(db, ticket, due_at=None, owner=None)
    if approvals.expired(ticket, now):
        return approvals.expire(db, s, ticket, now)
    view = situation(db, s, ticket, grounds, now)
    decision = judge(view)
    ticket = remember(db, ticket, decision, view.limit, now)
    if decision.never:
        return endings.left_to_people(db, s, ticket, decision.why, now, status=_ends_as(decision, ticket))
    if decision.until is not None and not (ticket.remediation_attempts or ticket.granted or view.asked or view.wanted):
        return tickets.move(db, ticket, due_at=decision.until)
    if decision.asks:
        return ask(db, s, ticket, grounds, view, decision, now)
    return schedule(db, s, ticket, grounds, view, decision.until, now)


def ask(
    db: sa.Connection,
    s: Services,
    ticket: Ticket,
    grounds: Grounds,
    view: Situation,
    decision: Decision,
    now: datetime,
) -> Ticket:
    """Nothing but a person's yes is missing: people are asked."""
    rests_on = {"possible": grounds.possible, "says": grounds.says, "reason": grounds.reason}
    return approvals.ask(db, s, ticket, proposed(db, ticket, grounds, view, decision), rests_on, now)


def proposed(db: sa.Connection, ticket: Ticket, grounds: Grounds, view: Situation, decision: Decision) -> Proposal:
    """The attempt that would be scheduled."""
    book, before = _book(view), attempts.of_ticket(db, ticket.id)
    return Proposal(
        number=len(before) + 1,
        action=book.action,
        error_type=grounds.error_type,
        run_id=_latest_failed(before) or ticket.root_run_id,
        why="; ".join(objection.reason for objection in decision.objections if objection.asks),
    )


def _book(view: Situation) -> Playbook:
    if view.playbook is None:
        raise AssertionError("a decision to try has a playbook")
    return view.playbook


def remember(db: sa.Connection, ticket: Ticket, decision: Decision, limit: int, now: datetime) -> Ticket:
    """Keeps the decision on the ticket, whatever it is."""
    return tickets.move(
        db, ticket, decision=decision.record(now), max_attempts=limit or None, due_at=None, owner=None, stumbles=0
    )


def _ends_as(decision: Decision, ticket: Ticket) -> RemediationStatus | None:
    objecting = {word.guardrail for word in decision.words if word.objection and word.objection.final}
    if "attempts_left" in objecting and not objecting & {"has_playbook", "analyzer_agrees", "nobody_took_over"}:
        return RemediationStatus.MAX_RETRIES_EXCEEDED
    return endings.repair_so_far(ticket)


def schedule(
    db: sa.Connection,
    s: Services,
    ticket: Ticket,
    grounds: Grounds,
    view: Situation,
    until: datetime | None,
    now: datetime,
    *,
    approved_by: str | None = None,
) -> Ticket:
    """The next attempt waits for its time; at once when a person wants it."""
    book = _book(view)
    before = attempts.of_ticket(db, ticket.id)
    number = len(before) + 1
    wait = 0.0 if view.by_person or approved_by else book.wait_before(view.attempts + 1, s.jitter())
    due = now + timedelta(seconds=wait)  # what objects now is asked again then: it may have ended before its time
    attempts.insert(
        db,
        ticket_id=ticket.id,
        original_run_id=ticket.root_run_id,
        reference_run_id=_latest_failed(before) or ticket.root_run_id,
        attempt_number=number,
        max_retries=max(view.limit, number),
        error_type=grounds.error_type,
        remediation_action=book.action,
        by=ticket.rca["granted_by"] if view.by_person else AI_USER,
        approved_by=approved_by,
        created_at=now,
        started_at=now,
        due_at=due,
    )
    answered = {} if approved_by else {"approval": None, "approval_expires_at": None}
    ticket = tickets.move(db, ticket, remediation_status=RemediationStatus.IN_PROGRESS, due_at=None, **answered)
    events.record(db, _scheduled(ticket, number, max(due, until or due), grounds.reason), now, s.notifiers)
    return ticket


def _scheduled(ticket: Ticket, number: int, due: datetime, reason: str) -> Event:
    if number == 1:
        why = reason or None
        return AttemptChanged(ticket_id=ticket.id, attempt=1, status="waiting", reason=why, due_at=stamp(due))
    return RetryScheduled(ticket_id=ticket.id, attempt=number, reason=reason, due_at=stamp(due))


def _latest_failed(before: Any) -> str | None:
    reruns: list[Attempt] = [a for a in before if a.status is AttemptStatus.FAILED and a.remediation_run_id]
    return reruns[-1].remediation_run_id if reruns else None


def facts(
    at: datetime, standing: Standing = Standing.FAILED, unreachable: str | None = None, *, edited: bool = False
) -> Mapping[str, Any]:
    """What the platform said, and when, in the form that a flow may keep."""
    return {"at": stamp(at), "standing": str(standing), "unreachable": unreachable, "edited": edited}
