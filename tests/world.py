"""A whole Pipemend in one process: real database, fakes plugged in, a clock that tests move."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from inspect import unwrap
from typing import Any

import sqlalchemy as sa

from pipemend.core.alert import Alert
from pipemend.core.attempt import Attempt
from pipemend.core.commands import Command
from pipemend.core.playbook import PipelineRule, Playbook, Playbooks
from pipemend.core.ports import Notifier
from pipemend.core.ticket import Ticket
from pipemend.flows import (
    announcements,
    due,
    explanation,
    feed,
    intake,
    masked,
    reconsider,
    remediation,
    stages,
    storms,
    upkeep,
)
from pipemend.flows.commands import carry_out
from pipemend.flows.services import Policy, Services, install
from pipemend.store import alerts, attempts, audit, reports, tickets
from pipemend.store.database import Database
from pipemend.store.schema import audit_trail
from pipemend.store.verify import Facts, verify
from tests.fakes.clock import MovingClock
from tests.fakes.engine import TableEngine
from tests.fakes.factory import FACTORY, FakeFactory
from tests.fakes.people import CodeAnalyzer, Listener

BOOKS: dict[tuple[str, str | None], Playbook] = {
    ("GatewayTimeout", None): Playbook(
        error_type="GatewayTimeout", action="retry_pipeline", max_retries=3, backoff_seconds=(30, 60, 120)
    ),
    ("ThrottlingError", None): Playbook(
        error_type="ThrottlingError", action="retry_pipeline", max_retries=5, backoff_seconds=(30,)
    ),
    ("ServerBusy", None): Playbook(error_type="ServerBusy", action="retry_pipeline", approval=True),
}
BODIES = {
    "attempt": unwrap(remediation.attempt_flow),
    "proceed": unwrap(stages.proceed_flow),
    "conclude": unwrap(remediation.conclude_flow),
    "explain": unwrap(explanation.explain_flow),
}


class World:
    """The words of the tests: what fails, what time it is, what an outsider can see."""

    def __init__(
        self,
        database: Database,
        *,
        enabled: bool = True,
        rules: tuple[PipelineRule, ...] = (),
        notifiers: Mapping[str, Notifier] | None = None,
    ) -> None:
        self.database = database
        self.clock = MovingClock()
        self.adf = FakeFactory(self.clock)
        self.slack = Listener()
        self.engine = TableEngine(database, BODIES)
        self.services = Services(
            database=database,
            engine=self.engine,
            clock=self.clock,
            platforms={"data_factory": self.adf},
            notifiers=notifiers or {"slack": self.slack},
            analyzer=CodeAnalyzer(),
            explainer=None,
            playbooks=Playbooks(BOOKS, rules),
            policy=Policy(enabled=enabled, dashboard="https://pipemend.example/dashboard"),
            callback_secret="a secret of the test",
            jitter=lambda: 0.0,
        )
        self.tellers = [announcements.Teller(self.services, name) for name in self.services.notifiers]
        install(self.services)

    async def begin(self) -> None:
        await feed.begin(self.services)
        self.clock.move(1)

    def policy(self, **changes: Any) -> None:
        self.services.policy = replace(self.services.policy, **changes)

    async def settle(self) -> None:
        """Lets everything happen that is due now."""
        for _ in range(50):
            s = self.services
            moved = await intake.take_due(s) + await reconsider.take_due(s) + await due.take_due(s)
            moved += await feed.take_due(s) + await masked.take_due(s) + await storms.take_due(s)
            moved += await self.engine.run_all()
            moved += sum([await teller.take_due() for teller in self.tellers])
            if not moved:
                return
        raise AssertionError("the world does not come to rest")

    async def after(self, seconds: float, step: float = 30) -> None:
        """Time passes, and everything that falls due on the way happens."""
        while seconds > 0:
            self.clock.move(min(step, seconds))
            seconds -= step
            await self.settle()

    async def upkeep(self) -> None:
        await upkeep.look_after(self.services)
        await self.settle()

    async def hears(self, pipeline: str | None, run_id: str | None, **what: Any) -> None:
        """An alert comes in, as from a door."""
        alert = Alert(platform="data_factory", resource=FACTORY.id, pipeline=pipeline, run_id=run_id, **what)
        await self.database.write(lambda db: alerts.insert(db, alert, self.clock.now()))

    async def command(self, command: Command) -> Ticket | None:
        return await carry_out(self.services, command)

    async def tickets(self) -> Sequence[Ticket]:
        found = await self.database.read(lambda db: reports.listing(db, reports.View(sort="oldest")))
        return found.tickets

    async def ticket(self) -> Ticket:
        """The only ticket there is."""
        (only,) = await self.tickets()
        return only

    async def attempts(self, ticket_id: str | None = None) -> Sequence[Attempt]:
        wanted = ticket_id or (await self.ticket()).id
        return await self.database.read(lambda db: attempts.of_ticket(db, wanted))

    async def audit(self) -> Sequence[str]:
        rows = await self.database.read(lambda db: audit.page(db)[1])
        return [row.action for row in reversed(rows)]

    async def audit_line(self, action: str) -> Any:
        wish = sa.select(audit_trail).where(audit_trail.c.action == action)
        return await self.database.read(lambda db: db.execute(wish).one())

    async def broken(self) -> set[str]:
        """The rules that the tables break now."""
        facts = Facts(now=self.clock.now(), living=frozenset(await self.engine.all_living()), grace=timedelta(0))
        return {str(found) for found in await self.database.read(lambda db: verify(db, facts))}

    async def change_ticket(self, ticket: Ticket, **columns: Any) -> None:
        await self.database.write(lambda db: tickets.fill(db, ticket.id, **columns))
