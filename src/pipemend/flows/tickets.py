"""Opening a ticket: one per failed root run, with its diagnosis and its first decision, in one unit."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from pipemend.core.events import TicketOpened
from pipemend.core.playbook import auto_heal_possible
from pipemend.core.rca import UNCLASSIFIED, Diagnosis, Failure, History, Recurrence, Remediable, Severity
from pipemend.core.run import Resource, Run, RunRef, RunStatus
from pipemend.core.scrub import scrub
from pipemend.core.situation import LOOK_AGAIN
from pipemend.core.ticket import AI_USER, Ticket, ticket_id
from pipemend.flows import storms
from pipemend.flows.decision import Grounds, decide, says
from pipemend.flows.services import Services
from pipemend.store import audit, events, recurrence, tickets

MESSAGE = 4000  # characters of an error text that a ticket shows


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What a ticket is opened with."""

    ref: RunRef
    pipeline: str
    resource: Resource | None
    failure: Failure
    diagnosis: Diagnosis | None
    run: Run | None = None
    failed_at: datetime | None = None
    children: tuple[Run, ...] = ()
    hands_off: str | None = None
    run_unknown: bool = False
    root_unknown: bool = False
    masked: bool = False  # the run went well although something in it failed

    @property
    def resource_name(self) -> str:
        """What people call the factory or workspace."""
        return self.resource.name if self.resource else self.ref.resource.rsplit("/", 1)[-1]


async def diagnosed(s: Services, failure: Failure) -> Diagnosis:
    """The rules' word on a failure."""
    return await s.analyzer.diagnose(failure, History())


def open_ticket(db: sa.Connection, s: Services, opening: Opening, now: datetime) -> str:
    """Opens the ticket, or finds the one that somebody opened for this root a moment ago; its id."""
    ticket = _new(db, s, opening, now)
    if not tickets.insert(db, ticket):
        found = tickets.by_root(db, opening.ref)
        return found.id if found else ticket.id
    status = opening.run.status if opening.run else RunStatus.UNKNOWN
    tickets.add_run(db, opening.ref, ticket.id, "root", status, opening.run.ended_at if opening.run else None)
    for child in opening.children:
        tickets.add_run(db, child.ref, ticket.id, "child", child.status, child.ended_at)
    storms.gather(db, s, ticket, now)
    events.record(db, TicketOpened(ticket_id=ticket.id, pipeline=ticket.pipeline), now, s.notifiers)
    audit.write(db, "ticket_created", at=now, user=AI_USER, ticket=ticket, details={"error_type": ticket.error_type})
    if s.explainer is not None:
        s.engine.begin(db, "explain", f"{ticket.id}:explain:r1", ticket.id)
    opened = decide(db, s, tickets.get(db, ticket.id), Grounds.of_ticket(ticket), now)
    if opening.root_unknown and opened.due_at is None and not opened.closed:
        tickets.move(db, opened, due_at=now + LOOK_AGAIN)  # whatever was decided: it may be about another ticket's run
    return ticket.id


def _new(db: sa.Connection, s: Services, opening: Opening, now: datetime) -> Ticket:
    ref, run, resource = opening.ref, opening.run, opening.resource
    name = opening.resource_name
    rule = s.playbooks.rule_for(name, opening.pipeline)
    team, owner, cost_center = s.policy.finops
    ended = run.ended_at or now if run and run.ended else None
    if run is None and not opening.root_unknown:
        ended = opening.failed_at or now
    return Ticket(
        id=ticket_id(ref.platform, ref.resource, ref.run_id, now),
        timestamp=now,
        failed_at=opening.failed_at,
        platform=ref.platform,
        resource=ref.resource,
        display_resource=name,
        connection=resource.name if resource else None,
        pipeline=opening.pipeline,
        run_id=ref.run_id,
        root_run_id=ref.run_id,
        run_group_id=run.group_id if run else None,
        run_ended_at=ended,
        run_link=run.link if run else None,
        finops_team=rule.team or team,
        finops_owner=rule.owner or owner,
        finops_cost_center=rule.cost_center or cost_center,
        route=s.playbooks.route_for(name, opening.pipeline, rule.team or team).name,
        hands_off=opening.hands_off,
        **explained_by(db, s, opening, now),
    )


def _severity(s: Services, opening: Opening) -> str | None:
    """What the rule of the pipeline says, else the route of its team."""
    name, books = opening.resource_name, s.playbooks
    rule = books.rule_for(name, opening.pipeline)
    return rule.severity or books.route_for(name, opening.pipeline, rule.team or s.policy.finops[0]).severity


def explained_by(db: sa.Connection, s: Services, opening: Opening, at: datetime) -> dict[str, Any]:
    """The columns that a diagnosis fills."""
    failure, platform = opening.failure, opening.ref.platform
    severity = _severity(s, opening)
    diagnosis = opening.diagnosis or NOTHING
    fault = failure.fault
    grade = Severity(severity) if severity else diagnosis.severity
    level = s.policy.levels[grade]
    possible = auto_heal_possible(diagnosis, s.playbooks.find(diagnosis.error_type, platform))
    return {
        "error_type": diagnosis.error_type,
        "error_code": fault.code or None,
        "error_message": scrub(fault.message or failure.message)[:MESSAGE] or None,
        "rca_result": scrub(diagnosis.root_cause),
        "rca": _whole(opening, diagnosis, recurrence.before(db, diagnosis.fingerprint, at)),
        "recommendations": diagnosis.recommendations,
        "confidence": diagnosis.confidence_word,
        "severity": str(grade),
        "priority": level.priority,
        "sla_seconds": level.sla_seconds,
        "definition": failure.definition,
        "fingerprint": diagnosis.fingerprint or None,
        "affected_entity": diagnosis.affected_entity or fault.activity or None,
        "auto_heal_possible": possible,
    }


def _whole(opening: Opening, diagnosis: Diagnosis, before: Recurrence) -> dict[str, Any]:
    return {
        "before": {**asdict(before), "sentence": before.sentence},
        "by": diagnosis.by,
        "remediable": str(diagnosis.remediable),
        "confidence": diagnosis.confidence,
        "sure": diagnosis.sure,
        "says": says(diagnosis),
        "details": dict(diagnosis.details),
        "run_unknown": opening.run_unknown,
        "root_unknown": opening.root_unknown,
        **({"masked": True} if opening.masked else {}),
        "faults": [
            {
                "activity": fault.activity,
                "activity_type": fault.activity_type,
                "code": fault.code,
                "failure_type": fault.failure_type,
                "message": scrub(fault.message)[:MESSAGE],
            }
            for fault in opening.failure.faults[:20]
        ],
    }


NOTHING = Diagnosis(
    error_type=UNCLASSIFIED,
    remediable=Remediable.NO,
    severity=Severity.MEDIUM,
    root_cause="The cause could not be analysed.",
    confidence=0.0,
    sure=False,
)
