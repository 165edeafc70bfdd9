"""Both databases, each test with tables of its own."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from pipemend.store import schema
from tests.postgres import PostgresUnavailable, fresh_database, postgres
from tests.web.world import World, build

if TYPE_CHECKING:
    from tests.web.reader import Reader


@pytest.fixture(scope="session")
def template() -> Iterator[Callable[[], str]]:
    """Gives the address of a new PostgreSQL database that has our tables."""
    try:
        with postgres() as base:
            made = fresh_database(base)
            engine = sa.create_engine(_psycopg(made))
            schema.metadata.create_all(engine)
            engine.dispose()
            yield lambda: _psycopg(fresh_database(base, made))
    except PostgresUnavailable as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def wire() -> Path:
    """Published payloads of the services we talk to, where they lie beside the source."""
    folder = Path(__file__).parents[3] / "shared/wire"
    if not folder.is_dir():
        pytest.skip("the wire samples are not here")
    return folder


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'pipemend.db'}"
    engine = sa.create_engine(url)
    schema.metadata.create_all(engine)
    engine.dispose()
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    if request.param == "sqlite":
        return str(request.getfixturevalue("sqlite_url"))
    make: Callable[[], str] = request.getfixturevalue("template")
    return make()


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """An installation on each of the two databases."""
    async with _open(database_url) as made:
        yield made


@pytest.fixture
async def small_world(sqlite_url: str) -> AsyncIterator[World]:
    """An installation on SQLite, where the database makes no difference."""
    async with _open(sqlite_url) as made:
        yield made


@pytest.fixture
async def postgresql_world(template: Callable[[], str]) -> AsyncIterator[World]:
    """An installation on PostgreSQL, for what SQLite does not do."""
    async with _open(template()) as made:
        yield made


@pytest.fixture
async def reader(small_world: World) -> AsyncIterator["Reader"]:
    """Somebody before the dashboard, in a real browser."""
    from tests.web.reader import reading

    async with reading(small_world) as made:
        yield made


@asynccontextmanager
async def _open(url: str) -> AsyncIterator[World]:
    made = build(url)
    yield made
    await made.app.state.live.close()
    made.database.close()


def _psycopg(url: str) -> str:
    return url.replace("postgresql://", "postgresql+psycopg://", 1)
