"""Brings the tables to the shape this release needs."""

from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from pipemend.core.errors import SettingsError
from pipemend.store.database import Database

LOCK = 7071968  # any number of our own: one migration at a time
ENGINES_OWN = ("workflow_", "operation_outputs", "notifications", "streams", "queues", "application_versions", "dbos_")
ONE_KINDS = ("ix_tickets_view", "ix_tickets_text")


def ours(thing: Any, name: str | None, kind: str, reflected: bool, compare_to: Any) -> bool:
    """Whether Alembic should see it: the engine's tables are not ours, and some indexes are one kind's alone."""
    return not (kind == "table" and name and name.startswith(ENGINES_OWN)) and name not in ONE_KINDS


def migrate(database: Database) -> None:
    """Migrates to the newest shape; on PostgreSQL under a lock. Running it twice does nothing."""
    with database.engine.connect() as db:
        if database.several:
            with db.begin():
                db.execute(sa.text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
                command.upgrade(_config(db), "head")
            return
        with db.begin():
            db.exec_driver_sql("BEGIN IMMEDIATE")
            command.upgrade(_config(db), "head")


def check(database: Database) -> None:
    """Raises SettingsError when the tables are older than this release; newer ones are accepted."""
    with database.engine.connect() as db:
        found = MigrationContext.configure(db).get_current_revision()
    known = [script.revision for script in ScriptDirectory.from_config(_config(None)).walk_revisions()]
    if found is None or (found in known and found != known[0]):
        raise SettingsError("DATABASE_URL: the tables are older than this release; run 'pipemend migrate' first")


def _config(db: sa.Connection | None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = db
    return config
