"""A believable morning for the pages: some thirty tickets in every state, with their stories."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from pipemend.core.clock import stamp
from pipemend.core.guardrails import GUARDRAILS
from pipemend.core.run import Resource, RunRef, RunStatus
from pipemend.core.ticket import AI_EMPID, AI_USER, Approval, RemediationStatus, Status, Ticket
from pipemend.store import audit, feeds, schema, tickets
from tests.web.world import FACTORY, World

LINK = "https://adf.azure.com/en/monitoring/pipelineruns/{}?factory=sales"
ERRORS = {
    "GatewayTimeout": "ErrorCode=SqlFailedToConnect: The gateway 'ir-onprem-02' did not answer within 00:02:00. "
    "Activity ID: 6c1f. If the problem goes on, look at the self-hosted integration runtime.",
    "HttpConnectionFailed": "ErrorCode=UserErrorFailedToReadFromHttp,'Type=HybridDeliveryException,Message=Unable to "
    "connect to the remote server https://api.partner.example/v2/orders',Source=Microsoft.DataTransfer",
    "ThrottlingError": "The request rate is too large. ActivityId: 91c2, RetryAfterMs: 1500, Code: 429",
    "SchemaMismatch": "ErrorCode=ParquetInvalidColumnName: Column 'customer id ' of dbo.customers does not match.",
    "UserErrorSourceBlobNotExists": "ErrorCode=UserErrorSourceBlobNotExists: The required Blob is missing. "
    "ContainerName: landing, path: erp/2026/11/23/invoices.csv",
    "AuthenticationFailed": "AADSTS7000222: The provided client secret keys for app 'etl-prod' are expired.",
    "SqlDeadlock": "Transaction (Process ID 71) was deadlocked on lock resources with another process (1205).",
    "InternalServerError": "<script>alert('an error text from outside')</script> Internal Server Error",
}
CAUSE = (
    "The integration runtime did not answer in time. Nothing points to the data or the pipeline's own definition, so "
    "the same run is likely to succeed once the gateway answers again."
)
NAMES = (
    "ingest_orders_hourly",
    "copy_crm_contacts",
    "load_dwh_sales_facts",
    "sync_partner_prices",
    "refresh_customer_360",
    "export_finance_daily",
    "stage_erp_invoices",
    "build_inventory_snapshot",
    "publish_pricing_feed",
    "merge_web_sessions",
)
TEAMS = ("sales-analytics", "finance-data", "platform", "marketing", None)
HEALING = RemediationStatus.IN_PROGRESS
LEVELS = {"GatewayTimeout": ("High", "P2", 1800), "AuthenticationFailed": ("Critical", "P1", 900)}


async def fill(world: World) -> Sequence[Ticket]:
    """Thirty tickets, the newest first."""
    now = world.clock.now()
    made = [_ticket(number, now) for number in range(32)]

    def unit(db: sa.Connection) -> None:
        for ticket in made:
            tickets.insert(db, ticket)
            ref = RunRef(ticket.platform, ticket.resource, ticket.run_id)
            tickets.add_run(db, ref, ticket.id, "root", RunStatus.FAILED, ticket.failed_at)
            _story(db, ticket)
        for resource in (FACTORY, Resource("data_factory", f"{FACTORY.id}-eu", "sales-eu")):
            feeds.begin(db, resource, now - timedelta(hours=8))
        wrong = {"error": "403 Forbidden: the identity may not read pipeline runs", "failures": 4}
        db.execute(schema.feeds.update().values(last_ok_at=now - timedelta(seconds=12), watermark=now))
        db.execute(schema.feeds.update().where(schema.feeds.c.resource != FACTORY.id).values(**wrong))
        _earlier(db, now)

    await world.database.write(unit)
    return made


def _ticket(number: int, now: datetime) -> Ticket:
    kinds = list(ERRORS)
    error = kinds[number % len(kinds)]
    severity, priority, sla = LEVELS.get(error, ("Medium", "P3", 7200))
    opened = now - timedelta(minutes=2 + number * number * 1.6)
    run = f"{number:08x}-5d1c-4f7e-9a3b-{number * 7919:012x}"
    given: dict[str, Any] = {
        "id": f"ADF-{opened:%Y%m%dT%H%M%S}-{number * 2654435761 % 16**10:010x}",
        "timestamp": opened,
        "failed_at": opened - timedelta(seconds=40),
        "platform": "data_factory",
        "resource": FACTORY.id,
        "display_resource": "sales" if number % 3 else "sales-eu",
        "connection": "sales" if number % 3 else "sales-eu",
        "pipeline": NAMES[number % len(NAMES)],
        "run_id": run,
        "root_run_id": run,
        "run_link": LINK.format(run),
        "error_type": error,
        "error_code": "2200" if number % 2 else "SqlFailedToConnect",
        "error_message": ERRORS[error],
        "rca_result": CAUSE,
        "rca": {"by": "rules", "faults": [{"activity": "Copy orders", "activity_type": "Copy", "code": "2200"}]},
        "recommendations": (
            "Look at the CPU and the queue of ir-onprem-02.",
            "If it happens at the same hour each day, move the schedule or add a node.",
        ),
        "confidence": "High",
        "severity": severity,
        "priority": priority,
        "sla_seconds": sla,
        "affected_entity": "Copy orders",
        "auto_heal_possible": error not in ("SchemaMismatch", "AuthenticationFailed"),
        "finops_team": TEAMS[number % len(TEAMS)],
        "finops_owner": "ada@example.com",
        "itsm_ticket_id": f"OPS-{412 + number}",
        "slack_channel": "C0PIPES",
        "slack_ts": "1764000000.000100",
        "max_attempts": 3,
    }
    return Ticket(**{**given, **_state(number, opened, error, run)})


def _state(number: int, opened: datetime, error: str, run: str) -> dict[str, Any]:
    final = error in ("SchemaMismatch", "AuthenticationFailed")
    rerun = {"remediation_run_id": run.replace("5d1c", "77aa")}
    if final and number < 12:
        return {"decision": _decision(opened, "never", error), "max_attempts": None}
    if number in (0, 2, 5):
        tries = {"remediation_attempts": number % 3, "remediation_status": HEALING}
        return {**tries, "decision": _decision(opened, "try", error)}
    if number == 4:
        return {"approval": Approval.AWAITING, "decision": _decision(opened, "not yet", error)}
    if number in (6, 13):
        worst = RemediationStatus.MAX_RETRIES_EXCEEDED
        return {
            "remediation_status": worst,
            "remediation_attempts": 3,
            **rerun,
            "decision": _decision(opened, "try", ""),
        }
    if number == 9:
        stop = "stopped by grace"
        return {"remediation_status": RemediationStatus.FAILED, "remediation_attempts": 1, "hands_off": stop}
    if number in (7, 8):
        return {"status": Status.IN_PROGRESS}
    took = 90.0 + number * 13
    closed = {"status": Status.ACKNOWLEDGED, "ack_seconds": took, "ack_ts": opened + timedelta(seconds=took)}
    if number % 4 == 1:
        return {**closed, "ack_user": "ada", "ack_empid": "E1815", "sla_status": "Breached"}
    healed = {"ack_user": AI_USER, "ack_empid": AI_EMPID, "sla_status": "Met", "remediation_attempts": 1 + number % 2}
    state = {"remediation_status": RemediationStatus.SUCCEEDED, "decision": _decision(opened, "try", error)}
    return {**closed, **healed, **rerun, **state}


def _decision(at: datetime, answer: str, error: str) -> dict[str, Any]:
    objects = {"never": "analyzer_agrees", "not yet": "no_other_repair"}.get(answer, "")
    why = {
        "never": f"{error} is not for a machine to repair: the same run would fail again",
        "not yet": "another repair of this pipeline is under way",
        "try": "every guardrail agrees",
    }[answer]
    words = [
        {
            "guardrail": rule.__name__,
            "objects": rule.__name__ == objects,
            "final": answer == "never",
            "says": why if rule.__name__ == objects else (rule.__doc__ or ""),
        }
        for rule in GUARDRAILS
    ]
    until = stamp(at + timedelta(minutes=3)) if answer == "not yet" else None
    return {"at": stamp(at + timedelta(seconds=1)), "answer": answer, "why": why, "until": until, "words": words}


def _story(db: sa.Connection, ticket: Ticket) -> None:
    audit.write(db, "ticket_created", at=ticket.timestamp, user="Pipemend", ticket=ticket)
    tried = ticket.remediation_attempts + (ticket.remediation_status is HEALING)
    for number in range(1, tried + 1):
        _attempt(db, ticket, number, last=number == tried)
    if ticket.ack_ts:
        action = "auto_remediation_success" if ticket.ack_user == AI_USER else "acknowledged"
        audit.write(
            db, action, at=ticket.ack_ts, user=ticket.ack_user or "", ticket=ticket, user_empid=ticket.ack_empid
        )


def _attempt(db: sa.Connection, ticket: Ticket, number: int, *, last: bool) -> None:
    created = ticket.timestamp + timedelta(seconds=3 + 150 * (number - 1))
    started = created + timedelta(seconds=30 * (number - 1))
    values: dict[str, Any] = {
        "key": f"{ticket.id}-{number}",
        "ticket_id": ticket.id,
        "original_run_id": ticket.run_id,
        "reference_run_id": ticket.run_id,
        "attempt_number": number,
        "max_retries": 3,
        "error_type": ticket.error_type,
        "remediation_action": "retry_pipeline",
        "by": AI_USER,
        "created_at": created,
        "started_at": started,
        "status": "failed",
        "via": "playbook" if number % 2 else "direct",
    }
    if last and ticket.remediation_status is HEALING:
        soon = {"due_at": ticket.timestamp + timedelta(seconds=170), "status": "waiting", "via": None}
        runs = {"status": "in_progress", "deadline": started + timedelta(hours=1), "remediation_run_id": f"{number}a77"}
        values |= soon if ticket.remediation_attempts else runs
    else:
        good = last and ticket.remediation_status is RemediationStatus.SUCCEEDED
        values |= {
            "status": "succeeded" if good else "failed",
            "completed_at": started + timedelta(seconds=84),
            "duration_seconds": 84,
            "remediation_run_id": ticket.run_id.replace("5d1c", f"77a{number}"),
            "failure_reason": None if good else f"The rerun failed: {ticket.error_message}",
            "logic_app_response": '{"status": "accepted", "run_id": "08585287"}',
        }
        audit.write(db, "auto_remediation_triggered", at=started, user=AI_USER, ticket=ticket)
    db.execute(schema.attempts.insert().values(**values))


def _earlier(db: sa.Connection, now: datetime) -> None:
    """A month of figures."""
    for day in range(2, 30):
        for number in range(3 + day * 5 % 9):
            opened = now - timedelta(days=day, minutes=number * 17)
            good, closed = number % 4 != 0, number % 5 != 0
            state: dict[str, Any] = {
                "status": Status.OPEN,
                "remediation_status": RemediationStatus.MAX_RETRIES_EXCEEDED,
            }
            if closed:
                seconds = 140.0 + number * 31
                state |= {"status": Status.ACKNOWLEDGED, "ack_user": "ada", "ack_seconds": seconds, "ack_ts": opened}
            if closed and good:
                state |= {"ack_user": AI_USER, "remediation_status": RemediationStatus.SUCCEEDED}
            old = _ticket(100 + day * 20 + number, now)
            fields = {"id": f"ADF-{opened:%Y%m%dT%H%M%S}-{day:05d}{number:05d}", "timestamp": opened, **state}
            tickets.insert(db, replace(old, **fields))
