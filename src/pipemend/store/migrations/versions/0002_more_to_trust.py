"""Fingerprints of failures, questions to models, turns of messages, and pauses that end."""

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
    op.add_column("tickets", sa.Column("fingerprint", sa.Text(), nullable=True))
    op.create_index("ix_tickets_fingerprint_timestamp", "tickets", ["fingerprint", "timestamp"])
    op.add_column("receipts", sa.Column("turn", sa.Integer(), nullable=False, server_default="2"))
    op.add_column("switches", sa.Column("until", sa.Text(), nullable=True))
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


def downgrade() -> None:
    _no_narrow_copies()
    op.drop_table("questions")
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
