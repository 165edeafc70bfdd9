"""Where a figure is taken: an empty database of either kind, on a disk that keeps what it is told to keep."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pipemend.store.database import Database
from pipemend.store.migrate import migrate
from tests.postgres import postgres

KINDS = ("sqlite", "postgresql")


@contextlib.contextmanager
def place(kind: str) -> Iterator[str]:
    """The address of a migrated database, gone when the block ends. PostgreSQL writes to disk as in production."""
    with contextlib.ExitStack() as stack:
        if kind == "postgresql":
            url = stack.enter_context(postgres(durable=True)).replace("postgresql://", "postgresql+psycopg://")
        else:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="pipemend-bench-"))
            url = f"sqlite:///{Path(folder) / 'pipemend.db'}"
        with opened(url) as database:
            migrate(database)
        yield url


@contextlib.contextmanager
def opened(url: str) -> Iterator[Database]:
    database = Database(url)
    try:
        yield database
    finally:
        database.close()
