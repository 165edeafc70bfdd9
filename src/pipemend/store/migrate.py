"""Brings the tables to the shape this release needs."""

from collections.abc import Sequence
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
    """Migrates to the shape of this release; on PostgreSQL under a lock. Running it twice does nothing.

    Tables of a newer release stay as they are.
    """
    with database.engine.connect() as db, db.begin():
        if database.several:
            db.execute(sa.text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        else:
            db.exec_driver_sql("BEGIN IMMEDIATE")
        if _found(db) in (None, *_known()):
            command.upgrade(_config(db), "head")


def check(database: Database) -> None:
    """Raises SettingsError when the tables are older than this release; newer ones are accepted."""
    with database.engine.connect() as db:
        found = _found(db)
    known = _known()
    if found is None or (found in known and found != known[0]):
        raise SettingsError("DATABASE_URL: the tables are older than this release; run 'pipemend migrate' first")


def _found(db: sa.Connection) -> str | None:
    return MigrationContext.configure(db).get_current_revision()


def _known() -> Sequence[str]:
    """The revisions of this release, the newest first."""
    return [script.revision for script in ScriptDirectory.from_config(_config(None)).walk_revisions()]


def _config(db: sa.Connection | None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = db
    return config
