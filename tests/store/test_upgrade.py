"""An installation of the release before keeps all it had."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from pipemend.core.errors import SettingsError
from pipemend.store import migrate as migrations
from pipemend.store import tickets
from pipemend.store.database import Database
from tests.conftest import driver
from tests.postgres import fresh_database

NOW = "2026-11-23T10:15:00.000000+00:00"
ROW = {
    "id": "ADF-1", "timestamp": NOW, "platform": "data_factory", "resource": "/f", "pipeline": "nightly",
    "run_id": "r1", "root_run_id": "r1", "rca": "{}", "recommendations": "[]", "severity": "High", "priority": "P2",
    "decision": "{}", "auto_heal_possible": False, "status": "open", "sla_seconds": 3600, "sla_status": "Pending",
}  # fmt: skip


def at_release(database: Database, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).with_name("migrations")))
    config.set_main_option("path_separator", "os")
    with database.engine.begin() as db:
        config.attributes["connection"] = db
        command.upgrade(config, revision)


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    if request.param == "sqlite":
        return Database(f"sqlite:///{tmp_path / 'pipemend.db'}")
    return Database(driver(fresh_database(request.getfixturevalue("postgres_server"))))


def test_tickets_of_the_first_release_are_read_after_the_upgrade(empty: Database) -> None:
    at_release(empty, "0001")
    names = ", ".join(ROW)
    with empty.engine.begin() as db:
        db.execute(sa.text(f"INSERT INTO tickets ({names}) VALUES ({', '.join(':' + name for name in ROW)})"), ROW)

    migrations.migrate(empty)
    migrations.check(empty)

    with empty.engine.connect() as db:
        ticket = tickets.get(db, "ADF-1")
    empty.close()
    assert (ticket.pipeline, ticket.timestamp) == ("nightly", datetime(2026, 11, 23, 10, 15, tzinfo=UTC))


def test_tables_of_a_newer_release_are_accepted_and_left_alone(empty: Database) -> None:
    migrations.migrate(empty)
    with empty.engine.begin() as db:
        db.execute(sa.text("UPDATE alembic_version SET version_num = 'next'"))

    migrations.migrate(empty)
    migrations.check(empty)

    with empty.engine.connect() as db:
        assert db.scalar(sa.text("SELECT version_num FROM alembic_version")) == "next"
    empty.close()


def test_tables_of_an_older_release_are_refused_by_name(empty: Database) -> None:
    at_release(empty, "0001")
    with pytest.raises(SettingsError, match="pipemend migrate"):
        migrations.check(empty)
    empty.close()
