"""Issues that people move, pipelines they edit, masked failures, routes of tickets, and people who sign in."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

LIVING = sa.text("ended_at IS NULL")


def upgrade() -> None:
    _routes()
    _masked_failures()
    op.add_column("tickets", sa.Column("definition", sa.Text(), nullable=True))
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
    _add_users()


def downgrade() -> None:
    for table in ("sign_in_tries", "user_links", "user_sessions", "users"):
        op.drop_table(table)
    _no_routes()
    op.drop_table("issues")
    op.drop_index("ix_tickets_itsm_ticket_id", "tickets")
    op.drop_column("tickets", "definition")
    op.drop_table("masked_failures")


def _masked_failures() -> None:
    op.create_table(
        "masked_failures",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("resource", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("display_resource", sa.Text(), nullable=False),
        sa.Column("pipeline", sa.Text(), nullable=False),
        sa.Column("started_at", sa.Text(), nullable=True),
        sa.Column("ended_at", sa.Text(), nullable=True),
        sa.Column("link", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("activities", sa.JSON(), nullable=False),
        sa.Column("ticket_id", sa.Text(), nullable=True),
        sa.Column("seen_at", sa.Text(), nullable=False),
        sa.Column("due_at", sa.Text(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("stumbles", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_masked_failures")),
        sa.UniqueConstraint("platform", "resource", "run_id", name=op.f("uq_masked_failures_platform_resource_run_id")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_masked_failures_due_at", "masked_failures", ["due_at"])
    op.create_index("ix_masked_failures_state_id", "masked_failures", ["state", "id"])


def _routes() -> None:
    """By which route a ticket is told; what is told elsewhere is a storm of its own."""
    op.add_column("tickets", sa.Column("route", sa.Text(), nullable=False, server_default=""))
    op.add_column("storms", sa.Column("route", sa.Text(), nullable=False, server_default=""))
    _one_storm_of(["platform", "resource", "error_type", "route"])


def _no_routes() -> None:
    _one_storm_of(["platform", "resource", "error_type"])
    op.drop_column("storms", "route")
    op.drop_column("tickets", "route")


def _one_storm_of(columns: Sequence[str]) -> None:
    op.drop_index("uq_storms_living", "storms")
    op.create_index(
        "uq_storms_living", "storms", list(columns), unique=True, sqlite_where=LIVING, postgresql_where=LIVING
    )


def _add_users() -> None:
    op.create_table(
        "users",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("issuer", sa.Text(), nullable=True),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("disabled_at", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_users")),
        sa.UniqueConstraint("issuer", "subject", name=op.f("uq_users_issuer_subject")),
    )
    op.create_table(
        "user_sessions",
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["name"], ["users.name"], name=op.f("fk_user_sessions_name")),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_user_sessions")),
    )
    op.create_index("ix_user_sessions_name", "user_sessions", ["name"])
    op.create_table(
        "user_links",
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("expires_at", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["name"], ["users.name"], name=op.f("fk_user_links_name")),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_user_links")),
    )
    op.create_table(
        "sign_in_tries",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_in_tries")),
    )
    op.create_index("ix_sign_in_tries_at", "sign_in_tries", ["at"])
