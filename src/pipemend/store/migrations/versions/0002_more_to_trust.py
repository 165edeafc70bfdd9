"""Fingerprints of failures."""

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


def downgrade() -> None:
    op.drop_index("ix_tickets_fingerprint_timestamp", "tickets")
    op.drop_column("tickets", "fingerprint")
