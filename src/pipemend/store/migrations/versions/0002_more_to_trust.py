"""Fingerprints of failures, questions to models, turns of messages, pauses that end, storms, leases and approvals."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


TEXT = ["tab", "priority", "severity", "error_type", "platform", "search_text"]


def upgrade() -> None:
    _narrow_copies()
    _leases()
    op.add_column("tickets", sa.Column("fingerprint", sa.Text(), nullable=True))
    op.create_index("ix_tickets_fingerprint_timestamp", "tickets", ["fingerprint", "timestamp"])
    op.add_column("receipts", sa.Column("turn", sa.Integer(), nullable=False, server_default="2"))
    op.add_column("switches", sa.Column("until", sa.Text(), nullable=True))
    op.add_column("remediation_attempts", sa.Column("held", sa.Text(), nullable=True))
    op.add_column("remediation_attempts", sa.Column("later_url", sa.Text(), nullable=True))
    op.add_column("remediation_attempts", sa.Column("approved_by", sa.Text(), nullable=True))
    op.add_column("tickets", sa.Column("proposal", sa.JSON(none_as_null=True), nullable=True))
    op.create_index(
        "ix_remediation_attempts_outcomes",
        "remediation_attempts",
        ["error_type", "remediation_action", "completed_at"],
    )
    op.create_table(
        "questions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("ticket_id", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=True),
        sa.Column("asked_at", sa.Text(), nullable=False),
        sa.Column("ended_at", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column("prompt", sa.Text(), nullable=True),
        sa.Column("answer", sa.JSON(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("tokens_read", sa.Integer(), nullable=True),
        sa.Column("tokens_written", sa.Integer(), nullable=True),
        sa.Column("cost", sa.Float(), nullable=True),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("fk_questions_ticket_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_questions")),
    )
    op.create_index("ix_questions_ticket_id", "questions", ["ticket_id"])
    op.create_index("ix_questions_asked_at", "questions", ["asked_at"])
    op.create_index("ix_questions_ended_at", "questions", ["ended_at"])
    op.create_index("ix_questions_fingerprint_asked_at", "questions", ["fingerprint", "asked_at"])
    _add_storms()
    _add_corrections()


def downgrade() -> None:
    op.drop_table("leases")
    op.drop_table("corrections")
    _no_narrow_copies()
    op.drop_index("ix_tickets_resource_error_type_timestamp", "tickets")
    op.drop_column("tickets", "storm_id")
    op.drop_table("storms")
    op.drop_table("questions")
    op.drop_index("ix_remediation_attempts_outcomes", "remediation_attempts")
    op.drop_column("tickets", "proposal")
    op.drop_column("remediation_attempts", "approved_by")
    op.drop_column("remediation_attempts", "later_url")
    op.drop_column("remediation_attempts", "held")
    op.drop_column("switches", "until")
    op.drop_column("receipts", "turn")
    op.drop_index("ix_tickets_fingerprint_timestamp", "tickets")
    op.drop_column("tickets", "fingerprint")


def _narrow_copies() -> None:
    """Indexes that lists and reports read instead of the wide rows."""
    healed = sa.text("ack_user = 'AI_AUTO_HEAL'")
    op.create_index("ix_tickets_report", "tickets", ["error_type", "remediation_status", "merged_into", "timestamp"])
    op.create_index("ix_tickets_healed", "tickets", ["ack_seconds"], sqlite_where=healed, postgresql_where=healed)
    op.create_index("ix_remediation_attempts_started_at", "remediation_attempts", ["started_at"])
    if op.get_bind().dialect.name == "postgresql":
        op.execute("UPDATE tickets SET search_text = left(search_text, 300) WHERE octet_length(search_text) > 1200")
        op.create_index("ix_tickets_text", "tickets", ["timestamp", "id"], postgresql_include=TEXT)


def _no_narrow_copies() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.drop_index("ix_tickets_text", "tickets")
    op.drop_index("ix_remediation_attempts_started_at", "remediation_attempts")
    op.drop_index("ix_tickets_healed", "tickets")
    op.drop_index("ix_tickets_report", "tickets")


def _add_storms() -> None:
    op.create_table(
        "storms",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("resource", sa.Text(), nullable=False),
        sa.Column("error_type", sa.Text(), nullable=False),
        sa.Column("display_resource", sa.Text(), nullable=False),
        sa.Column("began_at", sa.Text(), nullable=False),
        sa.Column("ended_at", sa.Text(), nullable=True),
        sa.Column("told", sa.JSON(), nullable=False),
        sa.Column("people_told", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("due_at", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_storms"),
    )
    op.create_index("ix_storms_due_at", "storms", ["due_at"])
    living = sa.text("ended_at IS NULL")
    op.create_index(
        "uq_storms_living",
        "storms",
        ["platform", "resource", "error_type"],
        unique=True,
        sqlite_where=living,
        postgresql_where=living,
    )
    op.add_column("tickets", sa.Column("storm_id", sa.Text(), nullable=True))
    op.create_index("ix_tickets_resource_error_type_timestamp", "tickets", ["resource", "error_type", "timestamp"])


def _add_corrections() -> None:
    op.create_table(
        "corrections",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("ticket_id", sa.Text(), nullable=False),
        sa.Column("at", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("said", sa.Text(), nullable=True),
        sa.Column("error_type", sa.Text(), nullable=False),
        sa.Column("remediable", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("fk_corrections_ticket_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_corrections")),
    )
    op.create_index("ix_corrections_ticket_id", "corrections", ["ticket_id"])


def _leases() -> None:
    op.create_table(
        "leases",
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("resource", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("attempt_key", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("terms", sa.JSON(), nullable=False),
        sa.Column("taken_at", sa.Text(), nullable=False),
        sa.Column("due_at", sa.Text(), nullable=True),
        sa.Column("revision", sa.Integer(), server_default="0", nullable=False),
        sa.Column("stumbles", sa.Integer(), server_default="0", nullable=False),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("platform", "resource", "target", name="pk_leases"),
    )
    op.create_index("ix_leases_attempt_key", "leases", ["attempt_key"])
