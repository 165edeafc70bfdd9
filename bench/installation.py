"""Pipemend as production has it, but for the outside world: real database, engine, worker and rules."""

import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from importlib import import_module

from pipemend.core.clock import WallClock
from pipemend.core.playbook import Playbook, Playbooks
from pipemend.core.ports import Platform
from pipemend.engine import Engine
from pipemend.flows import explanation, remediation, stages  # noqa: F401 - registers the flows
from pipemend.flows.services import Policy, Services, install
from pipemend.flows.worker import Worker
from pipemend.settings import Settings
from pipemend.store.database import Database
from tests.fakes.people import Listener

RERUNS = {
    ("GatewayTimeout", platform): Playbook(error_type="GatewayTimeout", action=action, max_retries=3)
    for platform, action in ((None, "retry_pipeline"), ("databricks", "retry_job"))
}


def services(database: Database, engine: Engine, platform: Platform, *, enabled: bool, watch: float) -> Services:
    """Limits are lifted: what holds up a start is our own speed."""
    settings = Settings.of({})
    policy = Policy(
        enabled=enabled,
        max_in_flight=100_000,
        starts_per_minute=1_000_000,
        watch_interval=timedelta(seconds=watch),
    )
    return Services(
        database=database,
        engine=engine,
        clock=WallClock(),
        platforms={platform.name: platform},
        notifiers={"slack": Listener()},
        analyzer=import_module("pipemend.analyzers.rules").build(settings),
        explainer=None,
        playbooks=Playbooks(RERUNS, ()),
        policy=policy,
        callback_secret="a secret of the benchmark",
    )


@contextlib.asynccontextmanager
async def at_work(
    database: Database, platform: Platform, *, enabled: bool = True, watch: float = 0.5
) -> AsyncIterator[Services]:
    engine = Engine(database)
    made = services(database, engine, platform, enabled=enabled, watch=watch)
    install(made)
    await engine.start()
    worker = Worker(made)
    await worker.start()
    try:
        yield made
    finally:
        await worker.stop()
        await engine.stop()
