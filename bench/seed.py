"""A long past, quickly: a thousand tickets are written in full, and copied to as many days as it takes."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from pipemend.core.attempt import AttemptStatus
from pipemend.core.clock import stamp
from pipemend.core.ticket import AI_EMPID, AI_USER, RemediationStatus, Status
from pipemend.store.database import Database
from pipemend.store.schema import alerts, attempts, audit_trail, events, receipts, ticket_runs, tickets
from tests.fakes.factory import FACTORY

DAY = datetime(2026, 1, 1, tzinfo=UTC)
AT_ONCE = 1000
PIPELINES = [f"{team}_{what}_load" for team in ("sales", "finance", "hr", "ops", "web") for what in "abcdefghij"]
ERRORS = (
    ("GatewayTimeout", "The remote server returned an error: (504) Gateway Timeout. Request to the source timed out."),
    ("ThrottlingError", "Request rate is large: (429) too many requests were made to the account; try again later."),
    ("SqlDeadlock", "Transaction (Process ID 71) was deadlocked on lock resources and has been chosen as the victim."),
    ("DataConversionError", "Column 'amount' contains an invalid value 'n/a': cannot convert to Decimal at row 44121."),
    ("UserErrorSourceBlobNotExists", "The required Blob is missing: container landing, folder 2026/in, file *.csv."),
    ("Unclassified", "Operation on target Copy data1 failed: an activity ended with an error that nobody has seen."),
)
SEVERITIES = (("Critical", "P1"), ("High", "P2"), ("Medium", "P3"), ("Low", "P4"))
# Of a thousand: most are closed, and a few wait for somebody.
FATES = ("healed",) * 60 + ("person",) * 32 + ("escalated",) * 5 + ("open",) * 2 + ("in_progress",)

Values = Mapping[str, Any]
IDS = {"id", "ticket_id", "run_id", "root_run_id", "run_group_id", "remediation_run_id", "key"}
IDS |= {"original_run_id", "reference_run_id", "search_text"}
TIMES = {
    "timestamp",
    "failed_at",
    "run_ended_at",
    "ack_ts",
    "created_at",
    "started_at",
    "completed_at",
    "ended_at",
    "at",
}
TIMES |= {"remediation_last_attempt_at", "deadline"}


def seed(database: Database, number: int) -> None:
    """So many tickets with their runs, attempts, alerts, events, messages and audit lines; all rules are kept."""
    if not number:
        return
    with database.engine.begin() as db:
        if not database.several:
            db.exec_driver_sql("BEGIN IMMEDIATE")
        for table, rows in _thousand(min(number, AT_ONCE)).items():
            if rows:
                db.execute(table.insert(), rows)
        for table in (tickets, ticket_runs, attempts, alerts, events, audit_trail):
            _copy(db, table, number // AT_ONCE)
        columns = (events.c.id, sa.literal("slack"), events.c.ticket_id, sa.literal("sent"))
        names = ["event_id", "notifier", "ticket_id", "state"]
        db.execute(receipts.insert().from_select(names, sa.select(*columns)))
    with database.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as db:
        db.exec_driver_sql("VACUUM ANALYZE" if database.several else "ANALYZE")


def _thousand(number: int) -> Mapping[sa.Table, list[dict[str, Any]]]:
    rows: dict[sa.Table, list[dict[str, Any]]] = {
        table: [] for table in (tickets, ticket_runs, attempts, alerts, events, audit_trail)
    }
    for n in range(number):
        for table, row in _one(n):
            rows[table].append(row)
    return rows


def _one(n: int) -> list[tuple[sa.Table, dict[str, Any]]]:
    fate, name, run_id = FATES[n * 7 % 100], f"ADF-seeded-{n:04}", f"5eed{n:04}-run"
    at = DAY + timedelta(seconds=n * 86)
    end = at + timedelta(seconds=60)
    ticket = _ticket(n, fate, name, run_id, at, end)
    where = {"platform": "data_factory", "resource": FACTORY.id}
    run = {**where, "run_id": run_id, "ticket_id": name, "role": "root", "status": "Failed", "ended_at": at}
    alert = {
        **where,
        "pipeline": ticket["pipeline"],
        "run_id": run_id,
        "state": "joined",
        "reason": "opened the ticket",
    }
    told = {"ticket_id": name, "pipeline": ticket["pipeline"]}
    made: list[tuple[sa.Table, dict[str, Any]]] = [
        (tickets, ticket),
        (ticket_runs, run),
        (alerts, {**alert, "ticket_id": name, "created_at": at}),
        (events, {"at": at, "name": "new_ticket", "ticket_id": name, "attempt": None, "data": told}),
        (audit_trail, _line(ticket, "ticket_created", at)),
    ]
    if fate in ("healed", "escalated"):
        made += _tried(ticket, fate, run, at, end)
    if ticket["status"] == Status.ACKNOWLEDGED:
        ended = {"ticket_id": name, "new_status": "acknowledged", "user": ticket["ack_user"]}
        made.append((events, {"at": end, "name": "status_update", "ticket_id": name, "attempt": None, "data": ended}))
        action = "auto_remediation_success" if fate == "healed" else "acknowledged"
        made.append((audit_trail, _line(ticket, action, end)))
    return made


def _ticket(n: int, fate: str, name: str, run_id: str, at: datetime, end: datetime) -> dict[str, Any]:
    error_type, message = ERRORS[n % len(ERRORS)]
    severity, priority = SEVERITIES[n * 3 % 4]
    pipeline, closed = PIPELINES[n * 11 % len(PIPELINES)], fate in ("healed", "person")
    tried = fate in ("healed", "escalated")
    repair = {"healed": RemediationStatus.SUCCEEDED, "escalated": RemediationStatus.FAILED}.get(fate)
    return {
        "id": name,
        "timestamp": at,
        "failed_at": at,
        "platform": "data_factory",
        "resource": FACTORY.id,
        "display_resource": FACTORY.name,
        "connection": FACTORY.name,
        "pipeline": pipeline,
        "run_id": run_id,
        "root_run_id": run_id,
        "run_group_id": run_id,
        "run_ended_at": at,
        "error_type": error_type,
        "error_code": "2200",
        "error_message": message * 3,
        "rca_result": f"The activity failed: {message}" * 4,
        "rca": {"by": "rules", "faults": [{"message": message * 3}] * 3},
        "recommendations": ["Look at the source.", "Ask its owner."],
        "confidence": "High",
        "severity": severity,
        "priority": priority,
        "auto_heal_possible": tried,
        "decision": {"answer": "try" if tried else "never", "why": "every guardrail agrees", "words": [message] * 8},
        "status": Status.ACKNOWLEDGED if closed else Status.IN_PROGRESS if fate == "in_progress" else Status.OPEN,
        "ack_user": {"healed": AI_USER, "person": "rosa"}.get(fate),
        "ack_empid": AI_EMPID if fate == "healed" else None,
        "ack_ts": end if closed else None,
        "ack_seconds": 60.0 if closed else None,
        "sla_seconds": 7200,
        "sla_status": "Met" if closed else "Breached",
        "finops_team": pipeline.partition("_")[0],
        "remediation_status": repair,
        "remediation_run_id": f"{run_id}-again" if tried else None,
        "remediation_attempts": int(tried),
        "max_attempts": 3,
        "search_text": f"{pipeline} {FACTORY.name} {error_type} 2200 {run_id} {message[:90]} {name}".lower(),
    }


def _tried(
    ticket: Values, fate: str, run: Values, at: datetime, end: datetime
) -> list[tuple[sa.Table, dict[str, Any]]]:
    """One attempt and its rerun."""
    name, again = ticket["id"], ticket["remediation_run_id"]
    status = AttemptStatus.SUCCEEDED if fate == "healed" else AttemptStatus.FAILED
    attempt = {
        "key": f"{name}-1",
        "ticket_id": name,
        "original_run_id": run["run_id"],
        "reference_run_id": run["run_id"],
        "remediation_run_id": again,
        "attempt_number": 1,
        "max_retries": 3,
        "status": status,
        "error_type": ticket["error_type"],
        "remediation_action": "retry_pipeline",
        "via": "direct",
        "by": AI_USER,
        "created_at": at,
        "started_at": at,
        "completed_at": end,
        "duration_seconds": 60,
    }
    rerun = {**run, "run_id": again, "role": "rerun", "status": "Succeeded" if fate == "healed" else "Failed"}
    told = {"ticket_id": name, "attempt": 1, "remediation_run_id": "a rerun"}
    started = {"at": at, "name": "remediation_started", "ticket_id": name, "attempt": 1, "data": told}
    triggered = _line(ticket, "auto_remediation_triggered", at)
    return [(attempts, attempt), (ticket_runs, rerun), (events, started), (audit_trail, triggered)]


def _line(ticket: Values, action: str, at: datetime) -> dict[str, Any]:
    known = {"ticket_id": ticket["id"], "pipeline": ticket["pipeline"], "run_id": ticket["run_id"]}
    return {**known, "timestamp": at, "action": action, "user_name": ticket["ack_user"] or AI_USER, "details": {}}


def _copy(db: sa.Connection, table: sa.Table, days: int) -> None:
    """The rows of the first day again on each day that follows: other ids, the same time of day."""
    if days < 2:
        return
    names = [column.name for column in table.c if column.computed is None and not _counted(column)]
    dates = [(f"-{n}", stamp(DAY + timedelta(days=n))[:10]) for n in range(1, days)]
    each = (sa.select(sa.literal(n, sa.Text).label("n"), sa.literal(date, sa.Text).label("date")) for n, date in dates)
    day = sa.union_all(*each).subquery("day")
    columns = [_shifted(sa.type_coerce(table.c[name], sa.Text), name, day) for name in names]
    db.execute(table.insert().from_select(names, sa.select(*columns).select_from(table.join(day, sa.true()))))


def _counted(column: sa.Column[Any]) -> bool:
    return column.name == "id" and isinstance(column.type, sa.Integer)


def _shifted(column: sa.ColumnElement[Any], name: str, day: Any) -> sa.ColumnElement[Any]:
    if name in IDS:
        return column.concat(day.c.n)
    return sa.type_coerce(day.c.date, sa.Text).concat(sa.func.substr(column, 11)) if name in TIMES else column
