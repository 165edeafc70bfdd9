"""What every test may ask for: a database of each kind, and a world in it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from pipemend.clients import azure
from pipemend.store.database import Database
from pipemend.store.migrate import migrate
from tests.postgres import PostgresUnavailable, drop_database, fresh_database, postgres
from tests.world import World

# How fast an example is says nothing on a machine that is busy with others.
settings.register_profile("busy", deadline=None)
settings.load_profile("busy")


# Flows run on SQLite each time, on PostgreSQL too where workers or rows might meet; `make soak` runs all on both.
ON_BOTH = ("again", "approvals", "budgets", "healing", "leases", "once", "owed", "presses", "telling", "tickets")


# Long ones of which `make test` runs one kind, and `make soak` this one too.
ONCE_IS_ENOUGH = {
    "test_ten_times_too_much_never_exceeds_a_budget_and_all_get_their_turn": "sqlite",
    "test_a_crowd_that_waits_hides_no_attempt_that_has_to_be_looked_at": "sqlite",
    "test_a_long_replay_under_fire_loses_and_doubles_nothing": "sqlite",
    "test_what_is_in_the_air_is_neither_lost_nor_doubled": "sqlite",
    "test_without_slack_jira_and_model_the_rest_works": "postgresql",
    "test_what_fails_while_we_are_down_is_found_at_the_start": "sqlite",
}


@pytest.hookimpl(tryfirst=True)
def pytest_itemcollected(item: pytest.Item) -> None:
    name = item.name.partition("[")[0]
    if name in ONCE_IS_ENOUGH and ONCE_IS_ENOUGH[name] in item.name:
        item.add_marker(pytest.mark.soak)
    flow = item.path.stem.removeprefix("test_") if item.path.parent.name in ("flows", "notifiers") else None
    if flow is not None and flow not in ON_BOTH and "postgresql" in item.name:
        item.add_marker(pytest.mark.soak)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long tests come first, so that all workers end together; browser tests last: Playwright shares no thread."""
    items.sort(key=lambda item: ("page" in getattr(item, "fixturenames", ()), "scenarios" not in item.path.parts))


@pytest.fixture(autouse=True)
def identities_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process shares its Azure identities, with their budgets and their loop; each test is a process in small."""
    monkeypatch.setattr(azure, "_living", {})


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The address of a throw-away PostgreSQL."""
    try:
        server = postgres()
        with server as url:
            yield url
    except PostgresUnavailable as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "pipemend.db"
    _migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def migrated_postgres(postgres_server: str) -> str:
    url = fresh_database(postgres_server)
    _migrate(url)
    return url


def _migrate(url: str) -> None:
    database = Database(driver(url))
    migrate(database)
    database.close()


def driver(url: str) -> str:
    return url.replace("postgresql://", "postgresql+psycopg://")


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A fresh, migrated database, in the plain form that DATABASE_URL takes."""
    if request.param == "sqlite":
        template: Path = request.getfixturevalue("migrated_file")
        shutil.copy(template, tmp_path / "pipemend.db")
        yield f"sqlite:///{tmp_path / 'pipemend.db'}"
        return
    server: str = request.getfixturevalue("postgres_server")
    url = fresh_database(server, request.getfixturevalue("migrated_postgres"))
    yield url
    drop_database(url)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = Database(driver(database_url))
    yield opened
    opened.close()


@pytest.fixture
async def world(database: Database) -> World:
    """A Pipemend that may act, with one factory connected and nothing failed yet."""
    made = World(database)
    await made.begin()
    return made
