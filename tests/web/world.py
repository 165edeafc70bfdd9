"""A small installation for the web layer: services with tiny fakes, a clock that tests move, tickets by one word."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import sqlalchemy as sa
from fastapi import FastAPI

from pipemend.core.alert import Alert, Door, Signal
from pipemend.core.events import Event, TicketOpened
from pipemend.core.playbook import Playbooks
from pipemend.core.ports import Remedy
from pipemend.core.rca import Diagnosis, Failure, History, Remediable, Severity
from pipemend.core.run import Changes, Resource, Run, RunRef, RunStatus
from pipemend.core.ticket import Ticket
from pipemend.flows.services import Policy, Services
from pipemend.settings import Settings
from pipemend.store import access, attempts, events, people, schema, tickets
from pipemend.store.database import Database
from pipemend.web.app import create_app

MORNING = datetime(2026, 11, 23, 10, 15, tzinfo=UTC)
FACTORY = Resource(
    "data_factory",
    "/subscriptions/s/resourcegroups/rg/providers/microsoft.datafactory/factories/sales",
    "sales",
)
SECRET = "open+sesame"
BASE = "http://pipemend.test"


@dataclass
class MovedClock:
    """A clock that stands until a test moves it."""

    moment: datetime = MORNING

    def now(self) -> datetime:
        return self.moment

    def pass_by(self, **span: float) -> None:
        self.moment += timedelta(**span)


@dataclass
class QuietEngine:
    """Begins flows by noting them."""

    id: str = "test"
    begun: list[str] = field(default_factory=list)

    def begin(self, db: sa.Connection, name: str, key: str, *args: Any) -> None:
        self.begun.append(key)

    def trusts_silence(self) -> bool:
        return True

    async def living(self, keys: Sequence[str]) -> set[str]:
        return set()

    async def forget(self, before: datetime) -> int:
        return 0


@dataclass
class TinyFactory:
    """A platform that reads every signal with a pipeline in it and knows no run."""

    name: str = "data_factory"
    connections: Sequence[Resource] = (FACTORY,)
    resource_types: tuple[str, ...] = ("microsoft.datafactory/factories",)
    doors: tuple[Door, ...] = ()
    remedies: Mapping[str, Remedy] = field(default_factory=dict)

    def read(self, signal: Signal) -> Alert | None:
        names = {name.lower().replace("_", ""): value for name, value in signal.fields.items()}
        pipeline = names.get("pipelinename") or names.get("name")
        if not pipeline:
            return None
        return Alert(
            platform=self.name,
            resource=signal.target,
            pipeline=pipeline,
            run_id=names.get("runid") or names.get("pipelinerunid"),
            window=signal.window,
            error_message=names.get("error") or names.get("errormessage") or "",
            rule=signal.rule,
        )

    async def find(self, alert: Alert) -> Sequence[Run]:
        return []

    async def changes(self, resource: Resource, since: datetime) -> Changes:
        return Changes((), since)

    async def run(self, ref: RunRef) -> Run | None:
        return None

    async def later(self, run: Run) -> Sequence[Run]:
        return []

    async def failure(self, run: Run) -> Failure:
        return Failure(platform=self.name, pipeline=run.pipeline, run_id=run.ref.run_id)

    async def cancel(self, ref: RunRef) -> None:
        return None

    async def close(self) -> None:
        return None


class OneRule:
    """Thinks that everything is a gateway that took too long."""

    async def diagnose(self, failure: Failure, past: History) -> Diagnosis:
        return Diagnosis(
            error_type="GatewayTimeout", remediable=Remediable.YES, severity=Severity.HIGH, root_cause="slow gateway"
        )


@dataclass
class World:
    """Services, application and a few words for what tests need."""

    database: Database
    settings: Settings
    clock: MovedClock
    services: Services
    app: FastAPI

    async def token(self, role: str, name: str | None = None) -> str:
        return await self.database.write(lambda db: access.add_token(db, name or role, role, self.clock.now()))

    def client(self, token: str | None = None, **options: Any) -> httpx.AsyncClient:
        """A caller of the application, with an API token where one is given."""
        headers = {"Authorization": f"Bearer {token}"} if token else options.pop("headers", {})
        transport = httpx.ASGITransport(app=self.app, raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url=BASE, headers=headers, **options)

    async def a_client(self, role: str) -> httpx.AsyncClient:
        return self.client(await self.token(role))

    async def browser(self, role: str) -> httpx.AsyncClient:
        """A caller with a session instead of a token."""
        await self.token(role)
        return self.client(cookies={"pipemend": await self.token_session(role)})

    async def token_session(self, name: str) -> str:
        return await self.database.write(lambda db: access.sign_in(db, name, self.clock.now()))

    async def session(self, role: str, name: str | None = None) -> str:
        """The cookie of a user, who is made where there is none yet."""
        called, now = name or f"{role}.user", self.clock.now()

        def unit(db: sa.Connection) -> str:
            if people.find(db, called) is None:
                people.add(db, called, role, now)
            return people.sign_in(db, called, now)

        return await self.database.write(unit)

    async def person(self, role: str, name: str | None = None) -> httpx.AsyncClient:
        """A caller who is signed in as a user."""
        return self.client(cookies={"pipemend": await self.session(role, name)})

    async def ticket(self, pipeline: str = "nightly-load", **fields: Any) -> Ticket:
        """Opens a ticket, with its event."""
        made = ticket_of(pipeline, self.clock.now(), **fields)

        def unit(db: sa.Connection) -> None:
            tickets.insert(db, made)
            tickets.add_run(db, RunRef(made.platform, made.resource, made.run_id), made.id, "root", RunStatus.FAILED)
            events.record(db, TicketOpened(ticket_id=made.id, pipeline=pipeline), self.clock.now(), ())

        await self.database.write(unit)
        return made

    async def attempt(self, ticket: Ticket, number: int = 1, *, status: str = "waiting", **fields: Any) -> None:
        now = self.clock.now()
        values = {
            "ticket_id": ticket.id,
            "attempt_number": number,
            "original_run_id": ticket.run_id,
            "reference_run_id": ticket.run_id,
            "max_retries": 3,
            "error_type": ticket.error_type,
            "remediation_action": "retry_pipeline",
            "by": "Pipemend",
            "created_at": now,
            "started_at": now,
            **fields,
        }

        def unit(db: sa.Connection) -> None:
            attempts.insert(db, **values)
            one = schema.attempts.c
            wish = schema.attempts.update().where(one.ticket_id == ticket.id, one.attempt_number == number)
            db.execute(wish.values(status=status))

        await self.database.write(unit)

    async def happens(self, event: Event) -> int:
        return await self.database.write(lambda db: events.record(db, event, self.clock.now(), ()))

    async def all_of(self, table: sa.Table) -> Sequence[Any]:
        return await self.database.read(lambda db: db.execute(sa.select(table)).all())


def ticket_of(pipeline: str, now: datetime, **fields: Any) -> Ticket:
    run = fields.pop("run_id", f"run-of-{pipeline}")
    given: dict[str, Any] = {
        "id": f"ADF-{now:%Y%m%dT%H%M%S}-{abs(hash((pipeline, run))) % 16**10:010x}",
        "timestamp": now,
        "failed_at": now - timedelta(minutes=1),
        "platform": FACTORY.platform,
        "resource": FACTORY.id,
        "display_resource": FACTORY.name,
        "connection": FACTORY.name,
        "pipeline": pipeline,
        "run_id": run,
        "root_run_id": run,
        "error_type": "GatewayTimeout",
        "error_message": "The gateway did not answer within 00:02:00.",
        "severity": "High",
        "priority": "P2",
        "sla_seconds": 1800,
        "auto_heal_possible": True,
    }
    return Ticket(**{**given, **fields})


def build(url: str, clock: MovedClock | None = None, doors: tuple[Door, ...] = (), **settings: Any) -> World:
    """An installation on the database at `url`, whose tables are there."""
    clock = clock or MovedClock()
    database = Database(url)
    services = Services(
        database=database,
        engine=QuietEngine(),
        clock=clock,
        platforms={"data_factory": TinyFactory(doors=doors)},
        notifiers={},
        analyzer=OneRule(),
        explainer=None,
        playbooks=Playbooks(),
        policy=Policy(enabled=True),
        callback_secret="a secret of the test",
    )
    given = Settings(**{"azure_monitor_secret": SECRET, "public_url": "", **settings})
    return World(database, given, clock, services, create_app(services, given))
