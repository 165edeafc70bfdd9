"""What the flows work with, one set per process: bootstrap builds it, tests build their own."""

import asyncio
import contextlib
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol
from urllib.parse import urlencode

import sqlalchemy as sa

from pipemend.core.breaker import BreakerPolicy
from pipemend.core.clock import Clock
from pipemend.core.playbook import Playbooks
from pipemend.core.ports import Analyzer, Notifier, Platform
from pipemend.core.rca import Severity
from pipemend.core.run import Resource
from pipemend.core.sla import LEVELS, Level
from pipemend.core.storm import Storm
from pipemend.store.database import Database


class Begins(Protocol):
    """What the flows need of the engine."""

    id: str

    def begin(self, db: sa.Connection, name: str, key: str, *args: Any) -> None:
        """Starts a flow when `db` commits. The same key again is the same flow."""
        ...

    def trusts_silence(self) -> bool:
        """Whether what a silent worker held may be taken over now."""
        ...

    async def living(self, keys: Sequence[str]) -> set[str]:
        """Which of these flows are waiting or running."""
        ...

    async def forget(self, before: datetime) -> int:
        """Deletes flows that ended before; how many."""
        ...


class Wake:
    """Wakes every loop that waits. A loop marks before it looks, so that no call is missed."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def set(self) -> None:
        """Something has become due."""
        done, self._event = self._event, asyncio.Event()
        done.set()

    def mark(self) -> asyncio.Event:
        return self._event

    async def wait(self, mark: asyncio.Event, seconds: float) -> None:
        """Returns when somebody called since the mark, or after `seconds`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await mark.wait()


class Flood:
    """Holds the worker back while deliveries pour in, for a while: a flood is first kept, then worked on."""

    AT_ONCE, WITHIN, LONGEST = 10, 0.1, 5.0

    def __init__(self) -> None:
        self._came: deque[float] = deque(maxlen=self.AT_ONCE)
        self.inside = 0  # deliveries that wait to be kept

    def came(self) -> None:
        """A delivery has been kept."""
        self._came.append(time.monotonic())

    async def over(self) -> None:
        """Returns when no more pours in, or after `LONGEST` seconds."""
        for _ in range(round(self.LONGEST / self.WITHIN)):
            if not self._pours():
                return
            await asyncio.sleep(self.WITHIN)

    def _pours(self) -> bool:
        if self.inside >= self.AT_ONCE:
            return True  # on a slow machine few are kept in the time, and many wait
        return len(self._came) == self.AT_ONCE and time.monotonic() - self._came[0] < self.WITHIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the settings say, as values."""

    enabled: bool = False
    max_age: timedelta = timedelta(hours=6)
    max_in_flight: int = 20
    max_in_flight_per_connection: int | None = None
    starts_per_minute: int = 30
    breaker: BreakerPolicy = field(default_factory=BreakerPolicy)
    watch_interval: timedelta = timedelta(seconds=30)
    approval_wait: timedelta = timedelta(hours=4)  # so long people are asked for their yes
    questions_per_hour: int = 60  # to models
    retention: timedelta = timedelta(days=90)
    levels: Mapping[Severity, Level] = field(default_factory=lambda: dict(LEVELS))
    finops: tuple[str | None, str | None, str | None] = (None, None, None)  # team, owner, cost centre
    dashboard: str = ""


@dataclass(kw_only=True)
class Services:
    """Everything a flow may touch."""

    database: Database
    engine: Begins
    clock: Clock
    platforms: Mapping[str, Platform]
    notifiers: Mapping[str, Notifier]
    analyzer: Analyzer
    explainer: Analyzer | None
    playbooks: Playbooks
    policy: Policy
    callback_secret: str
    jitter: Callable[[], float] = random.random
    heartbeat: Callable[[], Awaitable[None]] | None = None  # raises OutsideError
    wake: Wake = field(default_factory=Wake)
    flood: Flood = field(default_factory=Flood)

    @property
    def worker(self) -> str:
        """The name under which this process leases rows."""
        return self.engine.id

    @property
    def connections(self) -> Sequence[Resource]:
        return [resource for platform in self.platforms.values() for resource in platform.connections]

    def connection(self, platform: str, resource: str | None) -> Resource | None:
        """The connection of a resource; of a missing one, if the platform has exactly one."""
        ours = [r for r in self.connections if r.platform == platform]
        if resource is None:
            return ours[0] if len(ours) == 1 else None
        return next((r for r in ours if r.id == resource), None)

    def link(self, ticket_id: str) -> str | None:
        """The ticket on the dashboard."""
        return f"{self.policy.dashboard}?ticket={ticket_id}" if self.policy.dashboard else None

    def link_to_storm(self, storm: Storm) -> str | None:
        """Its tickets on the dashboard."""
        cause = {"platform": storm.cause.platform, "connection": storm.where, "error_type": storm.cause.error_type}
        return f"{self.policy.dashboard}?{urlencode(cause)}" if self.policy.dashboard else None


_installed: Services | None = None


def install(services: Services) -> None:
    """From now on the flows of this process work with these."""
    global _installed
    _installed = services


def services() -> Services:
    if _installed is None:
        raise RuntimeError("no services are installed: bootstrap does that before the engine starts")
    return _installed
