"""Units stand or fall alone, and are on disk when `write` returns."""

import asyncio
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from pipemend.core.errors import SettingsError
from pipemend.demo.checks import QUERIES
from pipemend.store.database import Database, FileLock, transient
from pipemend.store.migrate import check, migrate, ours
from pipemend.store.schema import metadata, switches
from tests.conftest import driver
from tests.fakes.clock import START
from tests.postgres import fresh_database


def press(db: sa.Connection, name: str) -> None:
    db.execute(switches.insert().values(name=name, enabled=True, reason="", by="rosa", at=START))


async def names(database: Database) -> set[str]:
    return await database.read(lambda db: set(db.scalars(sa.select(switches.c.name))))


async def test_a_unit_that_fails_takes_no_other_with_it(database: Database) -> None:
    def fails(db: sa.Connection) -> None:
        press(db, "lost")
        raise KeyError("no")

    units = [database.write(lambda db, n=n: press(db, f"kept-{n}")) for n in range(10)]  # type: ignore[misc]
    ended = await asyncio.gather(*units, database.write(fails), return_exceptions=True)

    assert isinstance(ended[-1], KeyError)
    assert await names(database) == {f"kept-{n}" for n in range(10)}


async def test_a_broken_constraint_is_told_to_its_own_unit(database: Database) -> None:
    await database.write(lambda db: press(db, "one"))
    with pytest.raises(sa.exc.IntegrityError):
        await database.write(lambda db: press(db, "one"))
    await database.write(lambda db: press(db, "two"))
    assert await names(database) == {"one", "two"}


async def test_what_was_written_is_there_for_another_process(database: Database, database_url: str) -> None:
    await database.write(lambda db: press(db, "one"))
    other = Database(driver(database_url))
    try:
        assert await names(other) == {"one"}
    finally:
        other.close()


def test_migrations_lead_to_the_very_tables_of_the_schema(database: Database) -> None:
    with database.engine.connect() as db:
        context = MigrationContext.configure(db, opts={"include_object": ours, "compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_migrating_twice_changes_nothing(database: Database) -> None:
    migrate(database)
    check(database)


def test_an_empty_database_is_refused_by_name(postgres_server: str) -> None:
    empty = Database(driver(fresh_database(postgres_server)))
    try:
        with pytest.raises(SettingsError, match="pipemend migrate"):
            check(empty)
    finally:
        empty.close()


def test_a_second_process_on_one_file_is_told_to_take_postgresql(tmp_path: Path) -> None:
    first = FileLock(tmp_path / "pipemend.lock")
    with pytest.raises(SettingsError, match="PostgreSQL"):
        FileLock(tmp_path / "pipemend.lock")
    first.release()
    FileLock(tmp_path / "pipemend.lock").release()


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES.keys())
def test_the_monitoring_queries_run_word_for_word(query: str, migrated_file: Path) -> None:
    database = Database(f"sqlite:///{migrated_file}")
    try:
        with database.engine.connect() as db:
            db.exec_driver_sql(query).all()
    finally:
        database.close()


@pytest.mark.parametrize(("sqlstate", "passes"), [("57P03", True), ("53100", True), ("40P01", True), ("54000", False)])
def test_what_is_too_large_is_not_tried_again(sqlstate: str, passes: bool) -> None:
    theirs = psycopg.errors.lookup(sqlstate)("no")
    error = sa.exc.OperationalError("INSERT", {}, theirs)
    assert transient(error) is passes


async def test_it_tells_that_the_last_write_failed(database: Database) -> None:
    def fails(db: sa.Connection) -> None:
        raise sa.exc.OperationalError("INSERT", {}, OSError("the disk is full"))

    with pytest.raises(sa.exc.OperationalError):
        await database.write(fails)
    assert not database.takes_writes()
    await database.write(lambda db: press(db, "one"))
    assert database.takes_writes()
