"""Ties everything together; the only module that names plug-ins."""

import contextlib
import gc
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import partial
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import sqlalchemy as sa
from pydantic import SecretStr

from pipemend import meters
from pipemend.clients.elsewhere import ReadyElsewhere
from pipemend.clients.http import Http
from pipemend.clients.logic_app import LogicApp
from pipemend.clients.upstream import CheckUpstream
from pipemend.core import blob, callback
from pipemend.core.attempt import Attempt
from pipemend.core.breaker import BreakerPolicy
from pipemend.core.clock import Clock, WallClock
from pipemend.core.errors import SettingsError
from pipemend.core.playbook import Playbooks
from pipemend.core.ports import Analyzer, KnowsPages, Notifier, Platform, Remedy, TellsPlaybooks
from pipemend.core.rca import Severity
from pipemend.core.route import Route
from pipemend.core.scrub import redact_emails
from pipemend.core.sla import LEVELS, Level
from pipemend.flows.bell import Bell
from pipemend.flows.services import Begins, Policy, Services, install
from pipemend.playbooks import load
from pipemend.settings import Settings
from pipemend.store import leases, secrets
from pipemend.store.database import Database, FileLock
from pipemend.store.migrate import check, migrate

if TYPE_CHECKING:
    from pipemend.engine import Engine
    from pipemend.flows.worker import Worker

log = logging.getLogger(__name__)
PLATFORMS = ("pipemend.platforms.data_factory", "pipemend.platforms.databricks")
NOTIFIERS = (
    "pipemend.notifiers.slack",
    "pipemend.notifiers.jira",
    "pipemend.notifiers.teams",
    "pipemend.notifiers.pagerduty",
    "pipemend.notifiers.webhook",
)
RULES, MODEL = "pipemend.analyzers.rules", "pipemend.analyzers.model"
RERUNS = ("retry_pipeline", "retry_job")
READIES = ("restart_cluster", "scale_up_cluster", "reinstall_libraries")
HEARTBEAT_SECONDS = 10.0
Build = Callable[..., Any]
Playbook = Callable[[SecretStr, Remedy, Platform], Remedy]


def open_database(settings: Settings) -> Database:
    """The database of the settings; on SQLite its folder is made."""
    if settings.database_url is None:
        try:
            settings.pipemend_data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise SettingsError(f"PIPEMEND_DATA_DIR: cannot be made ({error.strerror})") from None
    database = Database(settings.database)
    try:
        database.engine.connect().close()
    except sa.exc.DBAPIError as error:
        database.close()
        raise SettingsError(f"DATABASE_URL: the database cannot be reached ({type(error.orig).__name__})") from None
    return database


def builders(group: str, built_in: tuple[str, ...]) -> list[Build]:
    """The `build` functions of the built-in plug-ins, then of those that others have installed."""
    ours = [cast(Build, import_module(name).build) for name in built_in]
    return ours + [cast(Build, point.load()) for point in entry_points(group=f"pipemend.{group}")]


def platforms(
    settings: Settings, clock: Clock, playbook: Playbook, books: Playbooks, http: Http
) -> Mapping[str, Platform]:
    """The platforms, by name. Each action whose Logic App has an address runs through it; the direct remedy looks."""
    built = [build(settings, clock) for build in builders("platforms", PLATFORMS)]
    connected = {platform.name: platform for platform in built if platform is not None}
    for platform in connected.values():
        if rerun := next((platform.remedies[name] for name in RERUNS if name in platform.remedies), None):
            waits = CheckUpstream(connected, lambda where, what: books.rule_for(where, what).upstream, rerun, http)
            elsewhere = dict(_elsewhere(platform, connected, rerun))
            platform.remedies = {**elsewhere, **platform.remedies, "check_upstream": waits}
    for platform in connected.values():
        urls = {action: settings.playbook(action) for action in platform.remedies}
        apps = {a: playbook(url, platform.remedies[a], platform) for a, url in urls.items() if url is not None}
        platform.remedies = {**platform.remedies, **apps}
    return connected


def playbooks_of(settings: Settings, file: Path | None = None) -> Playbooks:
    """Playbooks, rules and routes in force. Raises SettingsError, which names every mistake."""
    books = load(file or settings.playbooks_file, settings.auto_remediation_max_retries)
    for number, route in enumerate(books.routes, 1):
        paged = {"PAGERDUTY_URL": settings.pagerduty_url} if route.pagerduty_routing_key else {}
        for name, address in {**route.addresses(), **paged}.items():
            _check_address(settings, f"[[route]] {number}", name, address)
    for number, rule in enumerate(books.pipelines, 1):
        for address in filter(blob.is_address, rule.upstream):
            _check_address(settings, f"[[pipeline]] {number}", "upstream", address)
    return books


def _check_address(settings: Settings, place: str, name: str, address: str) -> None:
    try:
        settings.check_address(name, address)
    except ValueError as error:
        raise SettingsError(f"PLAYBOOKS_FILE: {place} {error}") from None


def _elsewhere(own: Platform, connected: Mapping[str, Platform], rerun: Remedy) -> Iterator[tuple[str, Remedy]]:
    """What a platform cannot do, and another one can do for the runs that it has started there."""
    others = {name: platform for name, platform in connected.items() if isinstance(platform, KnowsPages)}
    for action in READIES:
        able = {name: other.remedies[action] for name, other in others.items() if action in other.remedies}
        if able and own.name not in able:
            yield action, ReadyElsewhere(own, others, able, rerun)


def playbooks(settings: Settings, clock: Clock, http: Http, secret: str) -> Playbook:
    """How a Logic App is asked: in the shared pool, and to call back where others can reach us."""

    def callback_url(attempt: Attempt) -> str | None:
        return callback.address(settings.public_url, secret, attempt.key) if settings.public_url else None

    def logic_app(url: SecretStr, direct: Remedy, platform: Platform) -> Remedy:
        tell = [one.details for one in (platform, direct) if isinstance(one, TellsPlaybooks)]

        async def more(attempt: Attempt) -> Mapping[str, object]:
            return {name: value for details in tell for name, value in (await details(attempt)).items()}

        return LogicApp(url, direct, http, clock, callback_url=callback_url, extra=more)

    return logic_app


def notifiers(settings: Settings, routes: Sequence[Route]) -> Mapping[str, Notifier]:
    """Who is told, by name; a route may name a target where the settings name none."""
    built = [build(settings, routes) for build in builders("notifiers", NOTIFIERS)]
    return {notifier.name: notifier for notifier in built if notifier is not None}


def explainer(settings: Settings) -> Analyzer | None:
    """The models that explain beside the rules; none where none has a key or an address."""
    return cast("Analyzer | None", import_module(MODEL).build(settings))


def policy(settings: Settings) -> Policy:
    """What the settings say, as values."""
    seconds = settings.levels_seconds
    levels = {s: Level(level.priority, seconds.get(str(s), level.sla_seconds)) for s, level in LEVELS.items()}
    return Policy(
        enabled=settings.auto_remediation_enabled,
        max_age=timedelta(seconds=settings.max_failure_age_seconds),
        max_in_flight=settings.max_repairs_in_flight,
        max_in_flight_per_connection=settings.max_repairs_per_connection,
        starts_per_minute=settings.starts_per_minute,
        breaker=BreakerPolicy(
            failures=settings.breaker_failures,
            outcomes=settings.breaker_outcomes,
            window=timedelta(seconds=settings.breaker_window_seconds),
            open_for=timedelta(seconds=settings.breaker_open_seconds),
        ),
        watch_interval=timedelta(seconds=settings.watch_interval_seconds),
        approval_wait=timedelta(seconds=settings.approval_expires_seconds),
        questions_per_hour=settings.model_questions_per_hour,
        retention=timedelta(days=settings.retention_days),
        levels=cast(Mapping[Severity, Level], levels),
        finops=(
            settings.finops_team or None,
            settings.finops_owner or None,
            settings.finops_cost_center or None,
        ),
        dashboard=settings.dashboard,
    )


def heartbeat(settings: Settings, http: Http) -> Callable[[], Awaitable[None]] | None:
    """Calls the address of HEARTBEAT_URL, where one is set."""
    if settings.heartbeat_url is None:
        return None
    url = settings.heartbeat_url.get_secret_value()

    async def ping() -> None:
        with meters.outside("heartbeat", "beat"):
            (await http.send("HEARTBEAT_URL", "GET", url, deadline=HEARTBEAT_SECONDS)).checked("HEARTBEAT_URL")

    return ping


def build_services(
    settings: Settings, database: Database, engine: Begins, http: Http, secret: str, clock: Clock
) -> Services:
    """Everything the flows work with; `secret` proves callbacks. Raises SettingsError."""
    redact_emails(settings.redact_emails)
    books = playbooks_of(settings)
    return Services(
        database=database,
        engine=engine,
        clock=clock,
        platforms=platforms(settings, clock, playbooks(settings, clock, http, secret), books, http),
        notifiers=notifiers(settings, books.routes),
        analyzer=cast(Analyzer, import_module(RULES).build(settings)),
        explainer=explainer(settings),
        playbooks=books,
        policy=policy(settings),
        callback_secret=secret,
        heartbeat=heartbeat(settings, http),
    )


@contextlib.asynccontextmanager
async def running(settings: Settings, clock: Clock | None = None) -> AsyncIterator[tuple[Services, "Worker"]]:
    """Services and worker, at work until the block ends: database migrated, engine started, loops running."""
    from pipemend.flows import explanation, remediation, stages  # noqa: F401 - registers the flows before the engine starts
    from pipemend.flows.worker import Worker

    async with _furnished(settings, clock or WallClock()) as (services, engine):
        await _release_leases(services)
        await engine.start()
        worker = Worker(services)
        await worker.start()
        _calm_collector()
        try:
            yield services, worker
        finally:
            await worker.stop()
            await engine.stop()


@contextlib.asynccontextmanager
async def doors_alone(settings: Settings) -> AsyncIterator[Services]:
    """Services for doors whose workers are other processes. Raises SettingsError on SQLite."""
    only_on_postgresql(settings, "pipemend serve --no-worker")
    async with _furnished(settings, WallClock()) as (services, engine):
        services.wake = Bell(services.database)
        _calm_collector()
        try:
            yield services
        finally:
            engine.close()


def only_on_postgresql(settings: Settings, command: str) -> None:
    """Raises SettingsError on SQLite, whose file belongs to one process."""
    if settings.database.startswith("sqlite"):
        raise SettingsError(
            f"DATABASE_URL: '{command}' needs PostgreSQL; on SQLite 'pipemend serve' is doors and worker in one process"
        )


@contextlib.asynccontextmanager
async def _furnished(settings: Settings, clock: Clock) -> AsyncIterator[tuple[Services, "Engine"]]:
    """Services on a database whose tables are right; nothing is at work yet."""
    from pipemend.engine import Engine

    database, http = open_database(settings), Http()
    lock = None if database.several else FileLock(settings.pipemend_data_dir / "pipemend.lock")
    try:
        if database.several:
            check(database)
        else:
            migrate(database)
        secret = await database.write(partial(secrets.made_once, name=secrets.CALLBACK))
        services = build_services(settings, database, engine := Engine(database), http, secret, clock)
        install(services)
        try:
            async with meters.watching_the_loop():
                yield services, engine
        finally:
            await _close(services, http)
    finally:
        database.close()
        if lock is not None:
            lock.release()


async def _release_leases(s: Services) -> None:
    """On SQLite there is one process: what an earlier life had leased is due at once."""
    if not s.database.several:
        now = s.clock.now()
        await s.database.write(lambda db: leases.release_all(db, now))


def _calm_collector() -> None:
    """What is built by now stays; later collections are rare, for each stalls the loop."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 50, 100)


async def _close(s: Services, http: Http) -> None:
    await http.close()
    for platform in s.platforms.values():
        await platform.close()
    for notifier in s.notifiers.values():
        await notifier.close()
