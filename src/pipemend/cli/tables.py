"""Commands that write to the database themselves, briefly; they also work beside a running server."""

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterator
from typing import TypeVar

import sqlalchemy as sa
from rich.console import Console
from rich.table import Table

from pipemend.bootstrap import open_database
from pipemend.core.clock import WallClock, stamp
from pipemend.core.errors import SettingsError
from pipemend.flows import users
from pipemend.settings import Settings
from pipemend.store import access
from pipemend.store.database import Database
from pipemend.store.migrate import migrate

T = TypeVar("T")
BY = "command line"  # as the audit trail names whoever sits there
LONGEST_NAME = 100


@contextlib.contextmanager
def _database() -> Iterator[Database]:
    os.umask(0o077)  # what we keep is for us alone
    database = open_database(Settings.load())
    try:
        yield database
    finally:
        database.close()


def write(unit: Callable[[sa.Connection], T]) -> T:
    with _database() as database:
        migrate(database)
        return asyncio.run(database.write(unit))


def bring_up_to_date() -> None:
    """Migrates; twice does nothing."""
    with _database() as database:
        migrate(database)
    print("The tables are up to date.")


def add_token(name: str, role: str) -> str:
    """Makes the token. Raises SettingsError for a bad name or an unknown role, Stale when the name is taken."""
    if not (name.isprintable() and 0 < len(name.strip()) <= LONGEST_NAME):
        raise SettingsError(f"NAME: a name has 1 to {LONGEST_NAME} printable characters")
    if role not in access.ROLES:
        raise SettingsError(f"--role: '{role}' is none of {', '.join(access.ROLES)}")
    now = WallClock().now()
    return write(lambda db: users.add_token(db, name, role, by=BY, now=now))


def revoke_token(name: str) -> None:
    """Raises NotFound."""
    now = WallClock().now()
    write(lambda db: users.end_token(db, name, by=BY, now=now))
    print(f"The token of {name} has ended.")


def list_tokens() -> None:
    table = Table("Name", "Role", "Made", "Ended")
    for row in write(access.tokens):
        table.add_row(row.name, row.role, stamp(row.created_at), stamp(row.revoked_at) if row.revoked_at else "–")
    Console().print(table)
