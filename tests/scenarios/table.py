"""Every row of the error table at once, in one world: real clients and the twin over HTTP, and a clock that is moved.

Each row breaks two pipelines or jobs: one that heals by what the row says, and one that nothing heals.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from pipemend import bootstrap
from pipemend.analyzers.rules import Rules
from pipemend.clients.http import Http
from pipemend.core.attempt import Attempt
from pipemend.core.breaker import BreakerPolicy
from pipemend.core.commands import Approve
from pipemend.core.ticket import Approval, Ticket
from pipemend.playbooks import load
from pipemend.settings import Settings
from pipemend.store import schema
from pipemend.store.database import Database
from pipemend.store.migrate import migrate
from pipemend.twin import running
from pipemend.twin.world import World as Twin
from tests.fakes.clock import MovingClock
from tests.twin.stage import FACTORY
from tests.twin.stage import Stage as Control
from tests.world import World

ADF, DBX, WORKSPACE = "data_factory", "databricks", "dbx-twin"
STEP = 60.0  # seconds between two looks at everything
HEALS, STAYS = "heals", "stays"
BEHIND = timedelta(minutes=25)  # our clock begins so far behind the twin's, and may be moved on without waiting
OVERLAY = """
[LibraryInstallationFailed]
deadline_seconds = 900

[DatabricksClusterStartFailure]
deadline_seconds = 900
{rules}
"""
RULE = '[[pipeline]]\nmatch = "*/{name}"\nupstream = "{factory}/{upstream}"\n'
SLOW = "Library installation timed out after 1800 seconds. Libraries that are not yet installed: great-expectations"
NO_CAUSE = {"code": "RUN_EXECUTION_ERROR", "message": "Run failed with error message"}
LATE = {"errorCode": "2108", "message": "The activity timed out: it ran longer than its timeout of 0.00:10:00."}
Breaks = Callable[["Table", "Row", str], Awaitable[None]]


@dataclass(frozen=True)
class Row:
    """One row: what is done about an error type on a platform, and how it is brought about. Without an action nothing
    is done, and `advice` is what people are told to change."""

    platform: str
    error_type: str
    breaks: Breaks
    action: str = ""
    attempts: int = 0
    advice: str = ""
    ways: Sequence[str] = ("direct", "playbook")

    def name(self, how: str) -> str:
        return f"{self.platform}-{self.error_type}-{how}"

    def __str__(self) -> str:
        return f"{self.platform}-{self.error_type}"


@dataclass(frozen=True)
class Outcome:
    """How the whole table ended, on one way."""

    tickets: Mapping[str, Ticket]
    attempts: Mapping[str, Sequence[Attempt]]
    acts: Sequence[Mapping[str, Any]]
    called: Sequence[str]  # actions that the playbooks were asked for
    left: Sequence[str] = ()  # leases
    broken: Sequence[str] = ()  # rules


@dataclass
class Table:
    """A world of its own for one way."""

    way: str
    control: Control
    twin: Twin
    world: World
    rows: Sequence[Row]
    hows: Sequence[str] = (HEALS, STAYS)
    fixed: list[Callable[[], Awaitable[object]]] = field(default_factory=list)

    async def pipeline(self, name: str, *outcomes: Any, **plan: Any) -> None:
        await self.control.pipeline(name, *outcomes, **plan)
        await self.control.trigger(name)

    async def job(self, name: str, **plan: Any) -> None:
        await self.control.put(f"databricks/{WORKSPACE}/jobs/{name}", **{"duration": 0.01, **plan})

    async def begins(self, job: str) -> None:
        await self.control.post(f"databricks/{WORKSPACE}/jobs/{job}/trigger", by="schedule")

    async def cluster(self, name: str, **told: Any) -> None:
        quick = {"start_seconds": 0.01, "stop_seconds": 0.01}
        await self.control.put(f"databricks/{WORKSPACE}/clusters/{name}", **quick, **told)

    async def rest(self) -> None:
        """Waits until nothing moves in the twin."""
        async with asyncio.timeout(60):
            while self._moves():
                await asyncio.sleep(0.005)

    def _moves(self) -> bool:
        place = self.twin.databricks.workspaces[WORKSPACE]
        clusters = place.fleet.clusters.values()
        return (
            any(not run.ended for run in self.twin.estate.runs())
            or any(not run.ended for run in place.engine.runs.values())
            or any(one.state not in ("RUNNING", "TERMINATED") for one in clusters)
            or any(lib.status in ("PENDING", "RESOLVING", "INSTALLING") for lib in self._wanted())
        )

    def _wanted(self) -> list[Any]:
        clusters = self.twin.databricks.workspaces[WORKSPACE].fleet.clusters.values()
        return [lib for one in clusters if one.up for lib in one.libraries.libraries.values()]

    async def happens(self) -> None:
        """Everything breaks, and time passes until every ticket has come to its end."""
        plays = [(row, how) for row in self.rows for how in self.hows if row.action or how == STAYS]
        wanted = {row.name(how) for row, how in plays}
        for row, how in plays:
            await row.breaks(self, row, how)
        await self.rest()
        for fix in self.fixed:
            await fix()
        for _ in range(100):
            await self.world.after(STEP, step=STEP)
            await self.rest()
            await self._approve()
            seen = {ticket.pipeline for ticket in await self.world.tickets()}
            if wanted <= seen and not await self.world.database.read(_unfinished):
                break
        for _ in range(3):
            await self.world.upkeep()
            await self.rest()
            await self.world.after(STEP, step=STEP)

    async def _approve(self) -> None:
        for ticket in await self.world.tickets():
            if ticket.approval is Approval.AWAITING:
                await self.world.command(Approve(ticket_id=ticket.id, by="rosa"))

    async def outcome(self) -> Outcome:
        tickets = {ticket.pipeline: ticket for ticket in await self.world.tickets()}
        rows = await self.world.database.read(lambda db: db.execute(schema.leases.select()).all())
        history = await self.control.get("requests", service="logic_app", operation="invoke")
        return Outcome(
            tickets=tickets,
            attempts={name: await self.world.attempts(ticket.id) for name, ticket in tickets.items()},
            acts=(await self.control.get(f"databricks/{WORKSPACE}/acts"))["acts"],
            called=[entry["path"].split("/")[2] for entry in history["requests"]],
            left=[row.target for row in rows],
            broken=sorted(await self.world.broken()),
        )


def _unfinished(db: sa.Connection) -> bool:
    """Whether a machine, or a person who is asked, still has something to do."""
    t = schema.tickets.c
    open_still = sa.or_(t.due_at.is_not(None), t.approval == "awaiting", t.remediation_status == "in_progress")
    return bool(db.scalar(sa.select(sa.exists().where(open_still))))


# How rows are brought about


def _pipeline(failure: Any, **plan: Any) -> Breaks:
    async def breaks(t: Table, row: Row, how: str) -> None:
        await t.pipeline(row.name(how), *((failure, "Succeeded") if how == HEALS else (failure,)), **plan)

    return breaks


def _job(failure: Any) -> Breaks:
    async def breaks(t: Table, row: Row, how: str) -> None:
        await t.job(row.name(how), outcomes=[failure, "Succeeded"] if how == HEALS else [failure])
        await t.begins(row.name(how))

    return breaks


async def _connection(t: Table, row: Row, how: str) -> None:
    """Somebody puts the connection in order, or nobody does."""
    service = f"linked-services/{FACTORY}/{row.name(how)}"
    await t.control.put(service, works=False, error="")
    await t.pipeline(row.name(how), linked_services=[row.name(how)])
    if how == HEALS:
        t.fixed.append(lambda: t.control.put(service, works=True))


async def _upstream(t: Table, row: Row, how: str) -> None:
    if how == HEALS:  # the rule of its name waits for this one
        await t.pipeline(f"upstream-of-{row.name(how)}", "GatewayTimeout", "Succeeded")
    await (_pipeline("BlobNotExists") if row.platform == ADF else _job("FileNotFound"))(t, row, how)


def _on_cluster(cluster: Callable[[str], Mapping[str, Any]], job: Callable[[str], Mapping[str, Any]]) -> Breaks:
    """A job on a cluster of its own name, run by its schedule or by a pipeline."""

    async def breaks(t: Table, row: Row, how: str) -> None:
        name = row.name(how)
        await t.cluster(f"c-{name}", **cluster(how))
        await t.rest()
        inner = name if row.platform == DBX else f"inner-{name}"
        await t.job(inner, cluster=f"c-{name}", **job(how))
        if row.platform == DBX:
            await t.begins(inner)
        else:
            await t.pipeline(name, jobs=[f"{WORKSPACE}/{inner}"])

    return breaks


def _never_up(how: str) -> Mapping[str, Any]:
    return {"state": "TERMINATED", "starts": ["BOOTSTRAP_TIMEOUT", *(["RUNNING"] if how == HEALS else [])]}


def _large(how: str) -> Mapping[str, Any]:
    """48 GB are too little; 80 are enough, if anything is."""
    return {"needs": {"memory_mb": 80 * 1024 if how == HEALS else 10**7, "error": "ExecutorOutOfMemory"}}


def _library(how: str) -> Mapping[str, Any]:
    told = {"library": {"pypi": {"package": "great-expectations"}}, "messages": [SLOW], "seconds": 0.01}
    return {"libraries": [{**told, "installs": ["FAILED", *(["INSTALLED"] if how == HEALS else [])]}]}


START = _on_cluster(_never_up, lambda how: {})
MEMORY = _on_cluster(lambda how: {}, _large)
LIBRARY = _on_cluster(_library, lambda how: {"needs": {"libraries": True, "error": "LibraryTimeout"}})

ROWS = (
    Row(ADF, "GatewayTimeout", _pipeline("GatewayTimeout"), "retry_pipeline", 3),
    Row(ADF, "HttpConnectionFailed", _pipeline("HttpConnectionFailed"), "retry_pipeline", 3),
    Row(ADF, "ThrottlingError", _pipeline("ThrottlingError"), "retry_pipeline", 5),
    Row(ADF, "UserErrorSourceBlobNotExists", _upstream, "check_upstream", 2),
    Row(ADF, "LinkedServiceError", _connection, "refresh_linked_service", 3),
    Row(ADF, "DataFactoryTimeout", _pipeline({"error": LATE}), advice="raise the time-out of the activity"),
    Row(ADF, "AuthenticationFailed", _pipeline("LoginFailed"), advice="Renew it where it is kept"),
    # A Logic App is told of the pipeline, and of no cluster of its.
    Row(ADF, "DatabricksClusterStartFailure", START, "restart_cluster", 2, ways=("direct",)),
    Row(ADF, "ClusterMemoryExhausted", MEMORY, "scale_up_cluster", 1, ways=("direct",)),
    Row(ADF, "LibraryInstallationFailed", LIBRARY, "reinstall_libraries", 2, ways=("direct",)),
    Row(DBX, "GatewayTimeout", _job("GatewayTimeout"), "retry_job", 3),
    Row(DBX, "ThrottlingError", _job("Throttled"), "retry_job", 5),
    Row(DBX, "DatabricksClusterStartFailure", START, "restart_cluster", 2),
    Row(DBX, "ClusterMemoryExhausted", MEMORY, "scale_up_cluster", 1),
    Row(DBX, "LibraryInstallationFailed", LIBRARY, "reinstall_libraries", 2),
    Row(DBX, "DatabricksJobExecutionError", _job(NO_CAUSE), "retry_job", 3),
    Row(DBX, "UserErrorSourceBlobNotExists", _upstream, "check_upstream", 2),
    Row(DBX, "PermissionDenied", _job("AccessDenied"), advice="grant the smallest role that is enough"),
    Row(DBX, "JobTimeout", _job("TimedOut"), advice="raise the limit"),
)
PLAYBOOKS = (
    *("RETRY_PIPELINE", "RESTART_CLUSTER", "SCALE_CLUSTER", "REINSTALL_LIBRARIES", "RETRY_JOB", "RERUN_UPSTREAM"),
    "REFRESH_LINKED_SERVICE",
)


async def played(way: str, folder: Path, environment: pytest.MonkeyPatch) -> Outcome:
    """The whole table on one way: directly, or each action through its Logic App."""
    rows = [row for row in ROWS if way in row.ways]
    async with playing(way, rows, f"sqlite:///{folder / 'pipemend.db'}", folder, environment) as table:
        await table.happens()
        return await table.outcome()


@asynccontextmanager
async def playing(
    way: str, rows: Sequence[Row], database_url: str, folder: Path, environment: pytest.MonkeyPatch
) -> AsyncIterator[Table]:
    """A world in which nothing has broken yet. `environment` is where the identity of the twin is put."""
    twin, database = Twin(), Database(database_url)
    migrate(database)
    async with AsyncExitStack() as stack:
        stack.callback(database.close)
        url = await stack.enter_async_context(running(twin))
        http = await stack.enter_async_context(httpx.AsyncClient(base_url=url, trust_env=False, timeout=10))
        table = Table(way, Control(url, http), twin, World(database), rows)
        await _connect(table, folder, environment, stack)
        yield table


async def _connect(table: Table, folder: Path, environment: pytest.MonkeyPatch, stack: AsyncExitStack) -> None:
    """The world is wired as `bootstrap` does it, with limits lifted: what heals counts here, not how many at once."""
    world, file = table.world, folder / "playbooks.toml"
    waiting = [row for row in table.rows if row.breaks is _upstream]
    names = [(row.name(HEALS), f"upstream-of-{row.name(HEALS)}") for row in waiting]
    file.write_text(
        OVERLAY.format(rules="".join(RULE.format(name=name, factory=FACTORY, upstream=up) for name, up in names))
    )
    told = (await table.control.get(""))["settings"]
    own = {name: value for name, value in told.items() if name.startswith(("AZURE_", "DATABRICKS_", "IDENTITY_"))}
    own |= {"ALLOWED_HOSTS": "127.0.0.1", "CONNECTIONS_FILE": str(_workspace(folder, own))}
    own = {name: value for name, value in own.items() if not name.startswith("DATABRICKS_")}
    for name in ("IDENTITY_ENDPOINT", "IDENTITY_HEADER"):
        environment.setenv(name, own[name])
    if table.way == "playbook":
        own |= {f"PLAYBOOK_{word}": await table.control.workflow(word.lower().replace("_", "-")) for word in PLAYBOOKS}
    settings = Settings.of(own)
    clock, books = MovingClock(datetime.now(UTC) - BEHIND), load(file, 3)
    playbook = bootstrap.playbooks(settings, clock, asks := Http(), "a secret of the test")
    stack.push_async_callback(asks.close)
    services = world.services
    world.clock = services.clock = clock
    services.notifiers, world.tellers = {}, []  # who is told what is tested elsewhere
    services.platforms = bootstrap.platforms(settings, clock, playbook, books, asks)
    for platform in services.platforms.values():
        stack.push_async_callback(platform.close)
    services.analyzer, services.playbooks = Rules(), books
    many = BreakerPolicy(failures=1000, outcomes=1000)
    world.policy(max_in_flight=1000, starts_per_minute=100_000, breaker=many)
    await world.begin()


def _workspace(folder: Path, told: Mapping[str, str]) -> Path:
    """The workspace as a connection that takes as many calls as we like."""
    token, file = folder / "token", folder / "connections.toml"
    token.write_text(told["DATABRICKS_TOKEN"])
    host = f'host = "{told["DATABRICKS_HOST"]}"\ntoken_file = "{token}"'
    file.write_text(f'[[workspace]]\nname = "{WORKSPACE}"\n{host}\ncalls_per_second = 1000\n')
    return file
