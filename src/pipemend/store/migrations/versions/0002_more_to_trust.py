"""Fingerprints of failures, questions to models, turns of messages, and pauses that end."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
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
    op.drop_table("questions")
    op.drop_column("switches", "until")
    op.drop_column("receipts", "turn")
    op.drop_index("ix_tickets_fingerprint_timestamp", "tickets")
    op.drop_column("tickets", "fingerprint")
