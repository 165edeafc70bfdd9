"""The first tables."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0001"
down_revision: str | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

TAB = (
    "CASE WHEN merged_into IS NOT NULL THEN 'merged'"
    " WHEN status = 'acknowledged' THEN 'closed'"
    " WHEN approval = 'awaiting' THEN 'approval'"
    " WHEN remediation_status = 'in_progress' THEN 'healing'"
    " WHEN remediation_status IN ('failed', 'max_retries_exceeded') THEN 'escalated'"
    " WHEN status = 'in_progress' THEN 'in_progress'"
    " ELSE 'open' END"
)
VIEW = (
    "timestamp",
    "id",
    "tab",
    "priority",
    "severity",
    "pipeline",
    "error_type",
    "finops_team",
    "connection",
    "platform",
    "search_text",
)


def upgrade() -> None:
    op.create_table(
        "api_tokens",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("revoked_at", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_api_tokens")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_api_tokens_token_hash")),
    )
    op.create_table(
        "audit_trail",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("timestamp", sa.Text(), nullable=False),
        sa.Column("ticket_id", sa.Text(), nullable=True),
        sa.Column("pipeline", sa.Text(), nullable=True),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("user_name", sa.Text(), nullable=False),
        sa.Column("user_empid", sa.Text(), nullable=True),
        sa.Column("time_taken_seconds", sa.Integer(), nullable=True),
        sa.Column("mttr_minutes", sa.Float(), nullable=True),
        sa.Column("sla_status", sa.Text(), nullable=True),
        sa.Column("rca_summary", sa.Text(), nullable=True),
        sa.Column("finops_team", sa.Text(), nullable=True),
        sa.Column("finops_owner", sa.Text(), nullable=True),
        sa.Column("itsm_ticket_id", sa.Text(), nullable=True),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_trail")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_audit_trail_ticket_id", "audit_trail", ["ticket_id"], unique=False)
    op.create_table(
        "deliveries",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("slot", sa.Text(), nullable=False),
        sa.Column("door", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("received_at", sa.Text(), nullable=False),
        sa.Column("count", sa.Integer(), server_default="1", nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("accepted", sa.Integer(), server_default="0", nullable=False),
        sa.Column("replay_of", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
        sa.UniqueConstraint("slot", name=op.f("uq_deliveries_slot")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_deliveries_received_at", "deliveries", ["received_at"], unique=False)
    op.create_table(
        "events",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("ticket_id", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=True),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_events_ticket_id", "events", ["ticket_id"], unique=False)
    op.create_table(
        "feeds",
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("resource", sa.Text(), nullable=False),
        sa.Column("watermark", sa.Text(), nullable=False),
        sa.Column("started_at", sa.Text(), nullable=False),
        sa.Column("last_ok_at", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("due_at", sa.Text(), nullable=True),
        sa.Column("revision", sa.Integer(), server_default="0", nullable=False),
        sa.Column("stumbles", sa.Integer(), server_default="0", nullable=False),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("platform", "resource", name=op.f("pk_feeds")),
    )
    op.create_table(
        "secrets",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_secrets")),
    )
    op.create_table(
        "switches",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_switches")),
    )
    op.create_table(
        "tickets",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("timestamp", sa.Text(), nullable=False),
        sa.Column("failed_at", sa.Text(), nullable=True),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("resource", sa.Text(), nullable=False),
        sa.Column("display_resource", sa.Text(), server_default="", nullable=False),
        sa.Column("connection", sa.Text(), nullable=True),
        sa.Column("pipeline", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("root_run_id", sa.Text(), nullable=False),
        sa.Column("run_group_id", sa.Text(), nullable=True),
        sa.Column("run_ended_at", sa.Text(), nullable=True),
        sa.Column("run_link", sa.Text(), nullable=True),
        sa.Column("error_type", sa.Text(), nullable=True),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("rca_result", sa.Text(), nullable=True),
        sa.Column("rca", sa.JSON(), nullable=False),
        sa.Column("recommendations", sa.JSON(), nullable=False),
        sa.Column("confidence", sa.Text(), nullable=True),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("priority", sa.Text(), nullable=False),
        sa.Column("affected_entity", sa.Text(), nullable=True),
        sa.Column("auto_heal_possible", sa.Boolean(), nullable=False),
        sa.Column("decision", sa.JSON(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("ack_user", sa.Text(), nullable=True),
        sa.Column("ack_empid", sa.Text(), nullable=True),
        sa.Column("ack_ts", sa.Text(), nullable=True),
        sa.Column("ack_seconds", sa.Float(), nullable=True),
        sa.Column("sla_seconds", sa.Integer(), nullable=False),
        sa.Column("sla_status", sa.Text(), nullable=False),
        sa.Column("slack_ts", sa.Text(), nullable=True),
        sa.Column("slack_channel", sa.Text(), nullable=True),
        sa.Column("finops_team", sa.Text(), nullable=True),
        sa.Column("finops_owner", sa.Text(), nullable=True),
        sa.Column("finops_cost_center", sa.Text(), nullable=True),
        sa.Column("itsm_ticket_id", sa.Text(), nullable=True),
        sa.Column("remediation_status", sa.Text(), nullable=True),
        sa.Column("remediation_run_id", sa.Text(), nullable=True),
        sa.Column("remediation_attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("remediation_last_attempt_at", sa.Text(), nullable=True),
        sa.Column("max_attempts", sa.Integer(), nullable=True),
        sa.Column("granted", sa.Integer(), server_default="0", nullable=False),
        sa.Column("hands_off", sa.Text(), nullable=True),
        sa.Column("approval", sa.Text(), nullable=True),
        sa.Column("approval_by", sa.Text(), nullable=True),
        sa.Column("approval_at", sa.Text(), nullable=True),
        sa.Column("approval_expires_at", sa.Text(), nullable=True),
        sa.Column("merged_into", sa.Text(), nullable=True),
        sa.Column("search_text", sa.Text(), server_default="", nullable=False),
        sa.Column("tab", sa.Text(), sa.Computed(TAB, persisted=True), nullable=True),
        sa.Column("due_at", sa.Text(), nullable=True),
        sa.Column("revision", sa.Integer(), server_default="0", nullable=False),
        sa.Column("stumbles", sa.Integer(), server_default="0", nullable=False),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tickets")),
        sa.UniqueConstraint(
            "platform", "resource", "root_run_id", name=op.f("uq_tickets_platform_resource_root_run_id")
        ),
    )
    op.create_index("ix_tickets_due_at", "tickets", ["due_at"], unique=False)
    op.create_index("ix_tickets_resource_pipeline", "tickets", ["resource", "pipeline"], unique=False)
    op.create_index("ix_tickets_resource_run_group_id", "tickets", ["resource", "run_group_id"], unique=False)
    op.create_index("ix_tickets_tab_timestamp_id", "tickets", ["tab", "timestamp", "id"], unique=False)
    if op.get_bind().dialect.name == "sqlite":
        op.create_index("ix_tickets_view", "tickets", VIEW, unique=False)
    op.create_table(
        "workers",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("beat_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workers")),
    )
    op.create_table(
        "alerts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("delivery_id", sa.Integer(), nullable=True),
        sa.Column("feed_key", sa.Text(), nullable=True),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("resource", sa.Text(), nullable=True),
        sa.Column("pipeline", sa.Text(), nullable=True),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.Column("window_start", sa.Text(), nullable=True),
        sa.Column("window_end", sa.Text(), nullable=True),
        sa.Column("activity", sa.Text(), server_default="", nullable=False),
        sa.Column("activity_type", sa.Text(), server_default="", nullable=False),
        sa.Column("error_code", sa.Text(), server_default="", nullable=False),
        sa.Column("error_message", sa.Text(), server_default="", nullable=False),
        sa.Column("failure_type", sa.Text(), server_default="", nullable=False),
        sa.Column("failed_at", sa.Text(), nullable=True),
        sa.Column("rule", sa.Text(), server_default="", nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("ticket_id", sa.Text(), nullable=True),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("due_at", sa.Text(), nullable=True),
        sa.Column("revision", sa.Integer(), server_default="0", nullable=False),
        sa.Column("stumbles", sa.Integer(), server_default="0", nullable=False),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["delivery_id"], ["deliveries.id"], name=op.f("fk_alerts_delivery_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alerts")),
        sa.UniqueConstraint("feed_key", name=op.f("uq_alerts_feed_key")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_alerts_delivery_id", "alerts", ["delivery_id"], unique=False)
    op.create_index("ix_alerts_due_at", "alerts", ["due_at"], unique=False)
    op.create_index("ix_alerts_ticket_id", "alerts", ["ticket_id"], unique=False)
    op.create_table(
        "receipts",
        sa.Column("event_id", sa.Integer(), nullable=False),
        sa.Column("notifier", sa.Text(), nullable=False),
        sa.Column("ticket_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("place", sa.JSON(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("due_at", sa.Text(), nullable=True),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["event_id"], ["events.id"], name=op.f("fk_receipts_event_id")),
        sa.PrimaryKeyConstraint("event_id", "notifier", name=op.f("pk_receipts")),
    )
    op.create_index("ix_receipts_due_at", "receipts", ["due_at"], unique=False)
    op.create_index("ix_receipts_state_event_id", "receipts", ["state", "event_id"], unique=False)
    op.create_index("ix_receipts_ticket_id_notifier", "receipts", ["ticket_id", "notifier"], unique=False)
    op.create_table(
        "remediation_attempts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("ticket_id", sa.Text(), nullable=False),
        sa.Column("original_run_id", sa.Text(), nullable=False),
        sa.Column("reference_run_id", sa.Text(), nullable=False),
        sa.Column("remediation_run_id", sa.Text(), nullable=True),
        sa.Column("attempt_number", sa.Integer(), nullable=False),
        sa.Column("max_retries", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("error_type", sa.Text(), nullable=True),
        sa.Column("remediation_action", sa.Text(), nullable=True),
        sa.Column("via", sa.Text(), nullable=True),
        sa.Column("stage", sa.Text(), nullable=True),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("logic_app_response", sa.Text(), nullable=True),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("started_at", sa.Text(), nullable=False),
        sa.Column("completed_at", sa.Text(), nullable=True),
        sa.Column("duration_seconds", sa.Integer(), nullable=True),
        sa.Column("failure_reason", sa.Text(), nullable=True),
        sa.Column("deadline", sa.Text(), nullable=True),
        sa.Column("due_at", sa.Text(), nullable=True),
        sa.Column("revision", sa.Integer(), server_default="0", nullable=False),
        sa.Column("stumbles", sa.Integer(), server_default="0", nullable=False),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("fk_remediation_attempts_ticket_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_remediation_attempts")),
        sa.UniqueConstraint("key", name=op.f("uq_remediation_attempts_key")),
        sa.UniqueConstraint(
            "ticket_id", "attempt_number", name=op.f("uq_remediation_attempts_ticket_id_attempt_number")
        ),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_remediation_attempts_due_at", "remediation_attempts", ["due_at"], unique=False)
    op.create_index(
        "ix_remediation_attempts_remediation_run_id", "remediation_attempts", ["remediation_run_id"], unique=False
    )
    op.create_index("ix_remediation_attempts_status", "remediation_attempts", ["status"], unique=False)
    op.create_table(
        "sessions",
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["name"], ["api_tokens.name"], name=op.f("fk_sessions_name")),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_sessions")),
    )
    op.create_table(
        "sign_in_links",
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.Text(), nullable=False),
        sa.Column("used_at", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["name"], ["api_tokens.name"], name=op.f("fk_sign_in_links_name")),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_sign_in_links")),
    )
    op.create_table(
        "ticket_runs",
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("resource", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("ticket_id", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("ended_at", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("fk_ticket_runs_ticket_id")),
        sa.PrimaryKeyConstraint("platform", "resource", "run_id", name=op.f("pk_ticket_runs")),
    )
    op.create_index("ix_ticket_runs_ticket_id", "ticket_runs", ["ticket_id"], unique=False)
