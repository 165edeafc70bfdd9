"""A ticket, its attempts and what happens to it, in the words of the glossary."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from pipemend.core.attempt import Attempt, AttemptStatus
from pipemend.core.events import (
    ApprovalGranted,
    ApprovalRequested,
    AttemptChanged,
    Event,
    Explained,
    RemediationStarted,
    RetryScheduled,
    SlaBreached,
    StatusChanged,
    StormBegan,
    StormChanged,
    StormEnded,
    StormEscalated,
    StormEvent,
    TicketOpened,
)
from pipemend.core.guardrails import judge
from pipemend.core.handover import Background, Solved, handover
from pipemend.core.playbook import Playbook
from pipemend.core.ports import Digest, News
from pipemend.core.rca import Recurrence
from pipemend.core.situation import Situation
from pipemend.core.storm import Cause, Figures, Storm
from pipemend.core.ticket import AI_EMPID, AI_USER, Approval, RemediationStatus, Status, Ticket

T = TypeVar("T", News, Digest)
STUDIO = "https://adf.azure.com/en/monitoring/pipelineruns/{}?factory=%2Fsubscriptions%2Fs%2Ffactories%2Fcontoso"
NOW = datetime(2026, 11, 23, 10, 15, tzinfo=UTC)
TICKET = "ADF-20261123T101500-1f496d07ab"
LINK = f"http://127.0.0.1:8000/dashboard?ticket={TICKET}"
GATEWAY_TIMEOUT = Playbook(error_type="GatewayTimeout", action="retry_pipeline")


def a_decision(**known: Any) -> dict[str, Any]:
    """The decision on a gateway timeout, taken by the real guardrails."""
    usual = {"enabled": True, "error_type": "GatewayTimeout", "auto_heal_possible": True, "playbook": GATEWAY_TIMEOUT}
    return dict(judge(Situation(now=NOW, **{**usual, **known})).record(NOW))


def a_ticket(**changes: Any) -> Ticket:
    usual: dict[str, Any] = {
        "id": TICKET,
        "timestamp": NOW,
        "platform": "data_factory",
        "resource": "/subscriptions/s/factories/contoso",
        "pipeline": "nightly-load",
        "run_id": "3f2a-run",
        "root_run_id": "3f2a-run",
        "error_type": "GatewayTimeout",
        "error_message": "ErrorCode=GatewayTimeout, the gateway at 10.0.0.4 did not answer",
        "rca_result": "The gateway did not answer in time.",
        "recommendations": ("Run it again.", "Look at the gateway's load."),
        "severity": "High",
        "priority": "P2",
        "sla_seconds": 1800,
        "max_attempts": 3,
        "decision": a_decision(),
    }
    return Ticket(**{**usual, **changes})


def an_attempt(number: int = 1, **changes: Any) -> Attempt:
    usual: dict[str, Any] = {
        "id": number,
        "key": f"{TICKET}-{number}",
        "ticket_id": TICKET,
        "platform": "data_factory",
        "resource": "/subscriptions/s/factories/contoso",
        "resource_name": "contoso",
        "pipeline": "nightly-load",
        "original_run_id": "3f2a-run",
        "reference_run_id": "3f2a-run",
        "run_group_id": None,
        "remediation_run_id": f"rerun-{number}",
        "attempt_number": number,
        "max_retries": 3,
        "status": AttemptStatus.IN_PROGRESS,
        "error_type": "GatewayTimeout",
        "remediation_action": "retry_pipeline",
        "via": "direct",
        "stage": None,
        "created_at": NOW,
        "started_at": NOW,
        "completed_at": None,
        "duration_seconds": None,
        "failure_reason": None,
        "logic_app_response": None,
        "by": AI_USER,
        "due_at": None,
        "deadline": None,
        "revision": 0,
        "stumbles": 0,
        "owner": None,
    }
    return Attempt(**{**usual, **changes})


HANDOVER = handover(
    a_ticket(
        display_resource="contoso",
        run_link=STUDIO.format("3f2a-run"),
        affected_entity="Copy orders",
        finops_team="payments",
        finops_owner="rosa",
        decision=a_decision(attempts=3),
    ),
    [
        an_attempt(
            3, status=AttemptStatus.FAILED, duration_seconds=250, failure_reason="the sink refused the connection"
        )
    ],
    Background(
        downstream=("Finance dashboard", "contoso/close_month"),
        before=Recurrence(seen=7, tried=6, healed=5, median_minutes=9.0),
        solved=Solved("ADF-20261120T031500-5be1c0ffee", "rosa", 34 * 60),
        page=LINK,
    ),
    NOW + timedelta(minutes=18),
)


def news(event: Event, ticket: Ticket | None = None, attempt: Attempt | None = None, **changes: Any) -> News:
    usual: dict[str, Any] = {"id": 7, "at": NOW + timedelta(minutes=1), "link": LINK}
    return News(event=event, ticket=ticket or a_ticket(), attempt=attempt, **{**usual, **changes})


def opened(**changes: Any) -> News:
    return news(TicketOpened(ticket_id=TICKET, pipeline="nightly-load"), id=1, **changes)


def started(number: int = 1, **changes: Any) -> News:
    event = RemediationStarted(ticket_id=TICKET, attempt=number, remediation_run_id=f"rerun-{number}")
    ticket = a_ticket(remediation_attempts=number, remediation_status=RemediationStatus.IN_PROGRESS)
    return news(event, **{"id": 20 + number, "ticket": ticket, "attempt": an_attempt(number), **changes})


def waits(number: int = 2, **changes: Any) -> News:
    due = NOW + timedelta(minutes=3)
    event = AttemptChanged(ticket_id=TICKET, attempt=number, status="waiting", due_at=due.isoformat())
    attempt = an_attempt(number, status=AttemptStatus.WAITING, due_at=due)
    return news(event, **{"id": 30 + number, "attempt": attempt, **changes})


def retried(number: int = 2, **changes: Any) -> News:
    due = NOW + timedelta(minutes=3)
    event = RetryScheduled(ticket_id=TICKET, attempt=number, reason="the rerun failed", due_at=due.isoformat())
    attempt = an_attempt(number, status=AttemptStatus.WAITING, due_at=due, remediation_run_id=None)
    return news(event, **{"id": 40 + number, "attempt": attempt, **changes})


def succeeded(number: int = 1, **changes: Any) -> News:
    event = StatusChanged(
        ticket_id=TICKET, new_status="acknowledged", user=AI_USER, attempt=number, remediation_success=True
    )
    ticket = a_ticket(
        status=Status.ACKNOWLEDGED,
        remediation_status=RemediationStatus.SUCCEEDED,
        remediation_attempts=number,
        remediation_run_id=f"rerun-{number}",
        ack_user=AI_USER,
        ack_empid=AI_EMPID,
        ack_seconds=261.0,
    )
    attempt = an_attempt(number, status=AttemptStatus.SUCCEEDED)
    return news(event, **{"id": 50, "ticket": ticket, "attempt": attempt, **changes})


def exhausted(**changes: Any) -> News:
    event = StatusChanged(
        ticket_id=TICKET,
        new_status="open",
        reason="all 3 attempts are used",
        attempt=3,
        remediation_failed=True,
        escalated=True,
    )
    ticket = a_ticket(remediation_status=RemediationStatus.MAX_RETRIES_EXCEEDED, remediation_attempts=3)
    attempt = an_attempt(3, status=AttemptStatus.FAILED, failure_reason="the sink refused the connection")
    return news(event, **{"id": 60, "ticket": ticket, "attempt": attempt, "handover": HANDOVER, **changes})


def stopped(**changes: Any) -> News:
    """A rerun failed with an error that no machine repairs."""
    event = StatusChanged(
        ticket_id=TICKET, new_status="open", reason="the error is permanent", attempt=1, escalated=True
    )
    ticket = a_ticket(remediation_status=RemediationStatus.FAILED, remediation_attempts=1)
    return news(event, **{"id": 61, "ticket": ticket, "attempt": an_attempt(failure_reason="no such table"), **changes})


def never_tried(**changes: Any) -> News:
    decision = a_decision(enabled=False)
    event = StatusChanged(ticket_id=TICKET, new_status="open", reason=decision["why"], escalated=True)
    return news(event, **{"id": 62, "ticket": a_ticket(decision=decision, max_attempts=None), **changes})


def closed_by(user: str, reason: str | None = None, **changes: Any) -> News:
    event = StatusChanged(ticket_id=TICKET, new_status="acknowledged", user=user, reason=reason)
    ticket = a_ticket(status=Status.ACKNOWLEDGED, ack_user=user, ack_seconds=90.0)
    return news(event, **{"id": 70, "ticket": ticket, **changes})


def reopened(**changes: Any) -> News:
    event = StatusChanged(ticket_id=TICKET, new_status="open", user="ann", reason="it failed again")
    return news(event, **{"id": 80, **changes})


def explained(**changes: Any) -> News:
    ticket = a_ticket(rca_result="The gateway was restarted for an update.", error_type="GatewayTimeout")
    return news(Explained(ticket_id=TICKET, by="gemini-2.5-flash"), **{"id": 90, "ticket": ticket, **changes})


def breached(**changes: Any) -> News:
    return news(SlaBreached(ticket_id=TICKET, sla_seconds=1800), **{"id": 95, **changes})


def asked(**changes: Any) -> News:
    event = ApprovalRequested(
        ticket_id=TICKET,
        attempt=1,
        action="retry_pipeline",
        proposal="1f496d07ab12",
        reason="retry_pipeline for ServerBusy needs the approval of a person",
        expires_at=(NOW + timedelta(hours=4)).isoformat(),
    )
    proposal = {"id": "1f496d07ab12", "number": 1, "action": "retry_pipeline"}
    ticket = a_ticket(approval=Approval.AWAITING, proposal=proposal)
    return news(event, **{"id": 96, "ticket": ticket, **changes})


def granted(**changes: Any) -> News:
    ticket = a_ticket(approval=Approval.APPROVED, remediation_status=RemediationStatus.IN_PROGRESS)
    event = ApprovalGranted(ticket_id=TICKET, attempt=1, user="rosa")
    return news(event, **{"id": 97, "ticket": ticket, **changes})


def repeated(told: T) -> T:
    return replace(told, repeated=True)


def a_storm(**changes: Any) -> Storm:
    usual: dict[str, Any] = {
        "id": "STORM-20261123T101500-1f496d07ab",
        "cause": Cause(platform="data_factory", resource="/s/factories/contoso", error_type="GatewayTimeout"),
        "where": "contoso",
        "began_at": NOW,
        "ended_at": None,
        "figures": Figures(tickets=300, healed=120, closed=3, healing=165, people=12),
        "pipelines": ("nightly-load", "hourly-load"),
        "left": ("nightly-load",),
    }
    return Storm(**{**usual, **changes})


def a_digest(event: StormEvent, **changes: Any) -> Digest:
    link = "http://127.0.0.1:8000/dashboard?platform=data_factory&connection=contoso&error_type=GatewayTimeout"
    usual: dict[str, Any] = {"id": 100, "at": NOW + timedelta(minutes=9), "storm": a_storm(), "link": link}
    return Digest(event=event, **{**usual, **changes})


STORM = a_storm().id
BEGAN = a_digest(StormBegan(ticket_id=STORM), storm=a_storm(figures=Figures(tickets=21, healing=21)))
GREW = a_digest(StormChanged(ticket_id=STORM), id=101)
ASKED = a_digest(
    StormEscalated(ticket_id=STORM, people=0, asking=5),
    id=104,
    storm=a_storm(figures=Figures(tickets=300, healing=295, asking=5)),
)
RANG = a_digest(StormEscalated(ticket_id=STORM, people=12), id=102)
ENDED = a_digest(
    StormEnded(ticket_id=STORM),
    id=103,
    storm=a_storm(ended_at=NOW + timedelta(minutes=30), figures=Figures(tickets=300, healed=290, closed=10)),
    at=NOW + timedelta(minutes=40),
)


EVERY_EVENT = {
    "started": started(),
    "waits": waits(),
    "retried": retried(),
    "succeeded": succeeded(),
    "exhausted": exhausted(),
    "stopped": stopped(),
    "never tried": never_tried(),
    "closed by a person": closed_by("ann", "the firewall was wrong"),
    "closed by the pipeline": closed_by("PIPELINE"),
    "recovered": closed_by("RECOVERED"),
    "merged": closed_by("MERGED"),
    "reopened": reopened(),
    "explained": explained(),
    "breached": breached(),
    "asked": asked(),
    "granted": granted(),
}
