"""The tables. Columns of the plan keep their names, so that its SQL runs word for word; times are UTC text."""

import sqlalchemy as sa

from pipemend.core.attempt import AttemptStatus
from pipemend.core.issue import IssueState
from pipemend.core.ticket import AI_USER, Approval, RemediationStatus, Status
from pipemend.store.types import Instant, Json, Word

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# Tab and search are asked of 100 000 tickets, so the database keeps the tab itself. `core.badge.tab` says the same.
TAB = (
    "CASE WHEN merged_into IS NOT NULL THEN 'merged'"
    " WHEN status = 'acknowledged' THEN 'closed'"
    " WHEN approval = 'awaiting' THEN 'approval'"
    " WHEN remediation_status = 'in_progress' THEN 'healing'"
    " WHEN remediation_status IN ('failed', 'max_retries_exceeded') THEN 'escalated'"
    " WHEN status = 'in_progress' THEN 'in_progress'"
    " ELSE 'open' END"
)


def _leased() -> list[sa.Column[object]]:
    """What a row has that a worker takes up when it is due."""
    return [
        sa.Column("due_at", Instant),
        sa.Column("revision", sa.Integer, nullable=False, server_default="0"),
        sa.Column("stumbles", sa.Integer, nullable=False, server_default="0"),
        sa.Column("owner", sa.Text),
    ]


tickets = sa.Table(
    "tickets",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("timestamp", Instant, nullable=False),
    sa.Column("failed_at", Instant),
    sa.Column("platform", sa.Text, nullable=False),
    sa.Column("resource", sa.Text, nullable=False),
    sa.Column("display_resource", sa.Text, nullable=False, server_default=""),
    sa.Column("connection", sa.Text),
    sa.Column("pipeline", sa.Text, nullable=False),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("root_run_id", sa.Text, nullable=False),
    sa.Column("run_group_id", sa.Text),
    sa.Column("run_ended_at", Instant),
    sa.Column("run_link", sa.Text),
    sa.Column("error_type", sa.Text),
    sa.Column("error_code", sa.Text),
    sa.Column("error_message", sa.Text),
    sa.Column("rca_result", sa.Text),
    sa.Column("rca", Json, nullable=False),
    sa.Column("recommendations", Json, nullable=False),
    sa.Column("confidence", sa.Text),
    sa.Column("severity", sa.Text, nullable=False),
    sa.Column("priority", sa.Text, nullable=False),
    sa.Column("affected_entity", sa.Text),
    sa.Column("fingerprint", sa.Text),
    sa.Column("auto_heal_possible", sa.Boolean, nullable=False),
    sa.Column("decision", Json, nullable=False),
    sa.Column("status", Word(Status), nullable=False),
    sa.Column("ack_user", sa.Text),
    sa.Column("ack_empid", sa.Text),
    sa.Column("ack_ts", Instant),
    sa.Column("ack_seconds", sa.Float),
    sa.Column("sla_seconds", sa.Integer, nullable=False),
    sa.Column("sla_status", sa.Text, nullable=False),
    sa.Column("slack_ts", sa.Text),
    sa.Column("slack_channel", sa.Text),
    sa.Column("finops_team", sa.Text),
    sa.Column("finops_owner", sa.Text),
    sa.Column("finops_cost_center", sa.Text),
    sa.Column("itsm_ticket_id", sa.Text),
    sa.Column("remediation_status", Word(RemediationStatus)),
    sa.Column("remediation_run_id", sa.Text),
    sa.Column("remediation_attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("remediation_last_attempt_at", Instant),
    sa.Column("max_attempts", sa.Integer),
    sa.Column("granted", sa.Integer, nullable=False, server_default="0"),
    sa.Column("hands_off", sa.Text),
    sa.Column("approval", Word(Approval)),
    sa.Column("approval_by", sa.Text),
    sa.Column("approval_at", Instant),
    sa.Column("approval_expires_at", Instant),
    sa.Column("proposal", sa.JSON(none_as_null=True)),
    sa.Column("merged_into", sa.Text),
    sa.Column("route", sa.Text, nullable=False, server_default=""),  # by which it is told
    sa.Column("definition", sa.Text),  # a fingerprint of the pipeline as it was when it failed
    sa.Column("storm_id", sa.Text),  # the storm it is told with
    sa.Column("search_text", sa.Text, nullable=False, server_default=""),
    sa.Column("tab", sa.Text, sa.Computed(TAB, persisted=True)),
    *_leased(),
    sa.UniqueConstraint("platform", "resource", "root_run_id"),
    sa.Index("ix_tickets_tab_timestamp_id", "tab", "timestamp", "id"),
    sa.Index("ix_tickets_due_at", "due_at"),
    sa.Index("ix_tickets_resource_run_group_id", "resource", "run_group_id"),
    sa.Index("ix_tickets_fingerprint_timestamp", "fingerprint", "timestamp"),
    sa.Index("ix_tickets_resource_pipeline", "resource", "pipeline"),
    sa.Index("ix_tickets_report", "error_type", "remediation_status", "merged_into", "timestamp"),
    sa.Index("ix_tickets_resource_error_type_timestamp", "resource", "error_type", "timestamp"),
    sa.Index("ix_tickets_itsm_ticket_id", "itsm_ticket_id"),
)
# As text: a partial index is found only by whoever asks in its words.
HEALED = tickets.c.ack_user == sa.literal_column(f"'{AI_USER}'")
sa.Index("ix_tickets_healed", tickets.c.ack_seconds, sqlite_where=HEALED, postgresql_where=HEALED)

# Rows of tickets are wide: a list under a filter or a search reads a narrow copy instead (5 times faster over 100 000).
# PostgreSQL takes index rows of 2.6 KB at most, so names that others choose are in SQLite's alone.
sa.Index(
    "ix_tickets_view",
    *(tickets.c[name] for name in ("timestamp", "id", "tab", "priority", "severity", "pipeline", "error_type")),
    *(tickets.c[name] for name in ("finops_team", "connection", "platform", "search_text")),
).ddl_if(dialect="sqlite")
sa.Index(
    "ix_tickets_text",
    tickets.c.timestamp,
    tickets.c.id,
    postgresql_include=["tab", "priority", "severity", "error_type", "platform", "search_text"],
).ddl_if(dialect="postgresql")

ticket_runs = sa.Table(
    "ticket_runs",
    metadata,
    sa.Column("platform", sa.Text, nullable=False),
    sa.Column("resource", sa.Text, nullable=False),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("ticket_id", sa.Text, sa.ForeignKey("tickets.id"), nullable=False),
    sa.Column("role", sa.Text, nullable=False),  # root, child, rerun or person
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("ended_at", Instant),
    sa.Column("error", sa.Text),
    sa.PrimaryKeyConstraint("platform", "resource", "run_id"),
    sa.Index("ix_ticket_runs_ticket_id", "ticket_id"),
)

attempts = sa.Table(
    "remediation_attempts",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("key", sa.Text, nullable=False, unique=True),
    sa.Column("ticket_id", sa.Text, sa.ForeignKey("tickets.id"), nullable=False),
    sa.Column("original_run_id", sa.Text, nullable=False),
    sa.Column("reference_run_id", sa.Text, nullable=False),
    sa.Column("remediation_run_id", sa.Text),
    sa.Column("attempt_number", sa.Integer, nullable=False),
    sa.Column("max_retries", sa.Integer, nullable=False),
    sa.Column("status", Word(AttemptStatus), nullable=False),
    sa.Column("error_type", sa.Text),
    sa.Column("remediation_action", sa.Text),
    sa.Column("via", sa.Text),
    sa.Column("stage", sa.Text),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("logic_app_response", sa.Text),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("started_at", Instant, nullable=False),
    sa.Column("completed_at", Instant),
    sa.Column("duration_seconds", sa.Integer),
    sa.Column("failure_reason", sa.Text),
    sa.Column("deadline", Instant),
    sa.Column("approved_by", sa.Text),
    sa.Column("held", sa.Text),
    sa.Column("later_url", sa.Text),
    *_leased(),
    sa.UniqueConstraint("ticket_id", "attempt_number"),
    sa.Index("ix_remediation_attempts_due_at", "due_at"),
    sa.Index("ix_remediation_attempts_status", "status"),
    sa.Index("ix_remediation_attempts_started_at", "started_at"),
    sa.Index("ix_remediation_attempts_outcomes", "error_type", "remediation_action", "completed_at"),
    sa.Index("ix_remediation_attempts_remediation_run_id", "remediation_run_id"),
    sqlite_autoincrement=True,
)

audit_trail = sa.Table(
    "audit_trail",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("timestamp", Instant, nullable=False),
    sa.Column("ticket_id", sa.Text),
    sa.Column("pipeline", sa.Text),
    sa.Column("run_id", sa.Text),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("user_name", sa.Text, nullable=False),
    sa.Column("user_empid", sa.Text),
    sa.Column("time_taken_seconds", sa.Integer),
    sa.Column("mttr_minutes", sa.Float),
    sa.Column("sla_status", sa.Text),
    sa.Column("rca_summary", sa.Text),
    sa.Column("finops_team", sa.Text),
    sa.Column("finops_owner", sa.Text),
    sa.Column("itsm_ticket_id", sa.Text),
    sa.Column("details", Json, nullable=False),
    sa.Index("ix_audit_trail_ticket_id", "ticket_id"),
    sqlite_autoincrement=True,
)

deliveries = sa.Table(
    "deliveries",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("slot", sa.Text, nullable=False, unique=True),  # sha256 of door and body, and five minutes since 1970
    sa.Column("door", sa.Text, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("received_at", Instant, nullable=False),
    sa.Column("count", sa.Integer, nullable=False, server_default="1"),
    sa.Column("outcome", sa.Text, nullable=False),  # accepted, ignored or unreadable
    sa.Column("reason", sa.Text),
    sa.Column("accepted", sa.Integer, nullable=False, server_default="0"),
    sa.Column("replay_of", sa.Integer),
    sa.Index("ix_deliveries_received_at", "received_at"),
    sqlite_autoincrement=True,
)

alerts = sa.Table(
    "alerts",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("delivery_id", sa.Integer, sa.ForeignKey("deliveries.id")),
    sa.Column("feed_key", sa.Text, unique=True),  # the feed reports one end of a run once
    sa.Column("platform", sa.Text, nullable=False),
    sa.Column("resource", sa.Text),
    sa.Column("pipeline", sa.Text),
    sa.Column("run_id", sa.Text),
    sa.Column("window_start", Instant),
    sa.Column("window_end", Instant),
    sa.Column("activity", sa.Text, nullable=False, server_default=""),
    sa.Column("activity_type", sa.Text, nullable=False, server_default=""),
    sa.Column("error_code", sa.Text, nullable=False, server_default=""),
    sa.Column("error_message", sa.Text, nullable=False, server_default=""),
    sa.Column("failure_type", sa.Text, nullable=False, server_default=""),
    sa.Column("failed_at", Instant),
    sa.Column("rule", sa.Text, nullable=False, server_default=""),
    sa.Column("state", sa.Text, nullable=False),  # new, looking, held, joined or ignored
    sa.Column("reason", sa.Text),
    sa.Column("ticket_id", sa.Text),
    sa.Column("tries", sa.Integer, nullable=False, server_default="0"),
    sa.Column("created_at", Instant, nullable=False),
    *_leased(),
    sa.Index("ix_alerts_due_at", "due_at"),
    sa.Index("ix_alerts_delivery_id", "delivery_id"),
    sa.Index("ix_alerts_ticket_id", "ticket_id"),
    sqlite_autoincrement=True,
)

events = sa.Table(
    "events",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("at", Instant, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("ticket_id", sa.Text, nullable=False),
    sa.Column("attempt", sa.Integer),
    sa.Column("data", Json, nullable=False),
    sa.Index("ix_events_ticket_id", "ticket_id"),
    sqlite_autoincrement=True,
)

receipts = sa.Table(
    "receipts",
    metadata,
    sa.Column("event_id", sa.Integer, sa.ForeignKey("events.id"), nullable=False),
    sa.Column("notifier", sa.Text, nullable=False),
    sa.Column("ticket_id", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),  # pending, sending, sent, parked or superseded
    sa.Column("place", Json),
    sa.Column("error", sa.Text),
    sa.Column("tries", sa.Integer, nullable=False, server_default="0"),
    sa.Column("due_at", Instant),
    sa.Column("owner", sa.Text),
    sa.Column("turn", sa.Integer, nullable=False, server_default="2"),  # who goes first: `core.events.Turn`
    sa.PrimaryKeyConstraint("event_id", "notifier"),
    sa.Index("ix_receipts_due_at", "due_at"),
    sa.Index("ix_receipts_ticket_id_notifier", "ticket_id", "notifier"),
    sa.Index("ix_receipts_state_event_id", "state", "event_id"),  # few are untold, most are sent
)

# How the issue of a ticket stands, as its own tool has told us. `moved` and `assigned` say up to which change.
issues = sa.Table(
    "issues",
    metadata,
    sa.Column("ticket_id", sa.Text, sa.ForeignKey("tickets.id"), primary_key=True),
    sa.Column("state", Word(IssueState)),
    sa.Column("moved", sa.Text, nullable=False, server_default=""),
    sa.Column("assigned", sa.Text, nullable=False, server_default=""),
)

storms = sa.Table(
    "storms",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("platform", sa.Text, nullable=False),
    sa.Column("resource", sa.Text, nullable=False),
    sa.Column("error_type", sa.Text, nullable=False),
    sa.Column("route", sa.Text, nullable=False, server_default=""),
    sa.Column("display_resource", sa.Text, nullable=False),
    sa.Column("began_at", Instant, nullable=False),
    sa.Column("ended_at", Instant),
    sa.Column("told", Json, nullable=False),  # the figures that were told last
    sa.Column("people_told", sa.Integer, nullable=False, server_default="0"),  # left to people when it last rang
    sa.Column("due_at", Instant),
    sa.Index("ix_storms_due_at", "due_at"),
)
# One storm of a cause at a time.
LIVING = sa.text("ended_at IS NULL")
sa.Index(
    "uq_storms_living",
    *(storms.c[name] for name in ("platform", "resource", "error_type", "route")),
    unique=True,
    sqlite_where=LIVING,
    postgresql_where=LIVING,
)

feeds = sa.Table(
    "feeds",
    metadata,
    sa.Column("platform", sa.Text, nullable=False),
    sa.Column("resource", sa.Text, nullable=False),
    sa.Column("watermark", Instant, nullable=False),
    sa.Column("started_at", Instant, nullable=False),
    sa.Column("last_ok_at", Instant),
    sa.Column("error", sa.Text),
    sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
    *_leased(),
    sa.PrimaryKeyConstraint("platform", "resource"),
)

# Runs that went well and may have masked a failure.
masked_failures = sa.Table(
    "masked_failures",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("platform", sa.Text, nullable=False),
    sa.Column("resource", sa.Text, nullable=False),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("display_resource", sa.Text, nullable=False),
    sa.Column("pipeline", sa.Text, nullable=False),
    sa.Column("started_at", Instant),
    sa.Column("ended_at", Instant),
    sa.Column("link", sa.Text),
    sa.Column("state", sa.Text, nullable=False),  # looking, found, clean or unread
    sa.Column("activities", Json, nullable=False),
    sa.Column("ticket_id", sa.Text),
    sa.Column("seen_at", Instant, nullable=False),
    *_leased(),
    sa.UniqueConstraint("platform", "resource", "run_id"),
    sa.Index("ix_masked_failures_due_at", "due_at"),
    sa.Index("ix_masked_failures_state_id", "state", "id"),
    sqlite_autoincrement=True,
)

# What a remedy has borrowed and must give back, one row for each thing outside.
leases = sa.Table(
    "leases",
    metadata,
    sa.Column("platform", sa.Text, nullable=False),
    sa.Column("resource", sa.Text, nullable=False),
    sa.Column("target", sa.Text, nullable=False),
    sa.Column("attempt_key", sa.Text, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("terms", Json, nullable=False),
    sa.Column("taken_at", Instant, nullable=False),
    *_leased(),
    sa.PrimaryKeyConstraint("platform", "resource", "target"),
    sa.Index("ix_leases_attempt_key", "attempt_key"),
)

switches = sa.Table(
    "switches",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("enabled", sa.Boolean, nullable=False),
    sa.Column("reason", sa.Text, nullable=False, server_default=""),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("until", Instant),
)

workers = sa.Table(
    "workers",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("beat_at", sa.Float, nullable=False),
)

secrets = sa.Table(
    "secrets",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)

api_tokens = sa.Table(
    "api_tokens",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("token_hash", sa.Text, nullable=False, unique=True),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("revoked_at", Instant),
)

sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("token_hash", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, sa.ForeignKey("api_tokens.name"), nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("expires_at", Instant, nullable=False),
)

users = sa.Table(
    "users",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),  # in small letters
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("password_hash", sa.Text),
    sa.Column("issuer", sa.Text),  # whose word is taken for them, and how it calls them
    sa.Column("subject", sa.Text),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("disabled_at", Instant),
    sa.UniqueConstraint("issuer", "subject"),
)

user_sessions = sa.Table(
    "user_sessions",
    metadata,
    sa.Column("token_hash", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, sa.ForeignKey("users.name"), nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("expires_at", Instant, nullable=False),
    sa.Index("ix_user_sessions_name", "name"),
)

user_links = sa.Table(
    "user_links",
    metadata,
    sa.Column("token_hash", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, sa.ForeignKey("users.name")),  # who may set a password; nobody: makes the first admin
    sa.Column("expires_at", Instant, nullable=False),
)

sign_in_tries = sa.Table(
    "sign_in_tries",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("at", Instant, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("address", sa.Text, nullable=False),
    sa.Index("ix_sign_in_tries_at", "at"),
)

sign_in_links = sa.Table(
    "sign_in_links",
    metadata,
    sa.Column("token_hash", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, sa.ForeignKey("api_tokens.name"), nullable=False),
    sa.Column("expires_at", Instant, nullable=False),
    sa.Column("used_at", Instant),
)

questions = sa.Table(
    "questions",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("ticket_id", sa.Text, sa.ForeignKey("tickets.id"), nullable=False),
    sa.Column("fingerprint", sa.Text),
    sa.Column("asked_at", Instant, nullable=False),
    sa.Column("ended_at", Instant),
    sa.Column("state", sa.Text, nullable=False),  # asking, answered or failed
    sa.Column("model", sa.Text),
    sa.Column("prompt", sa.Text),
    sa.Column("answer", Json),
    sa.Column("error", sa.Text),
    sa.Column("tokens_read", sa.Integer),
    sa.Column("tokens_written", sa.Integer),
    sa.Column("cost", sa.Float),  # US dollars
    sa.Index("ix_questions_ticket_id", "ticket_id"),
    sa.Index("ix_questions_asked_at", "asked_at"),
    sa.Index("ix_questions_ended_at", "ended_at"),
    sa.Index("ix_questions_fingerprint_asked_at", "fingerprint", "asked_at"),
)

corrections = sa.Table(
    "corrections",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("ticket_id", sa.Text, sa.ForeignKey("tickets.id"), nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("said", sa.Text),  # the error type the ticket had
    sa.Column("error_type", sa.Text, nullable=False),
    sa.Column("remediable", sa.Text, nullable=False),
    sa.Column("note", sa.Text),
    sa.Index("ix_corrections_ticket_id", "ticket_id"),
)
