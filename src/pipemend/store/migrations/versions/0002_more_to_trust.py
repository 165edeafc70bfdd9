"""Fingerprints of failures, turns of messages, and pauses that end."""

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


def downgrade() -> None:
    op.drop_column("switches", "until")
    op.drop_column("receipts", "turn")
    op.drop_index("ix_tickets_fingerprint_timestamp", "tickets")
    op.drop_column("tickets", "fingerprint")
