"""Issues that people move."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_index("ix_tickets_itsm_ticket_id", "tickets", ["itsm_ticket_id"])
    op.create_table(
        "issues",
        sa.Column("ticket_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=True),
        sa.Column("moved", sa.Text(), nullable=False, server_default=""),
        sa.Column("assigned", sa.Text(), nullable=False, server_default=""),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("fk_issues_ticket_id")),
        sa.PrimaryKeyConstraint("ticket_id", name=op.f("pk_issues")),
    )


def downgrade() -> None:
    op.drop_table("issues")
    op.drop_index("ix_tickets_itsm_ticket_id", "tickets")
