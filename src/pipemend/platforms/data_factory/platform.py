"""Azure Data Factory as a platform."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from pipemend.clients.answers import fingerprint
from pipemend.core.alert import Alert, Door, Signal
from pipemend.core.checkup import Chain
from pipemend.core.clock import Clock
from pipemend.core.ports import Remedy, Tokens
from pipemend.core.rca import Failure, Fault
from pipemend.core.run import Changes, Resource, Run, RunRef
from pipemend.platforms.data_factory import alerts
from pipemend.platforms.data_factory.checks import chain
from pipemend.platforms.data_factory.client import Factories, Factory, Filters
from pipemend.platforms.data_factory.failures import Search
from pipemend.platforms.data_factory.feed import Feed
from pipemend.platforms.data_factory.linked_services import RefreshLinkedService
from pipemend.platforms.data_factory.remedies import RetryPipeline
from pipemend.platforms.data_factory.runs import run_of

MARGIN = timedelta(minutes=10)
UNTIMED = timedelta(hours=1)
AHEAD = timedelta(days=1)
WEEK = timedelta(days=7)
MOST_CANDIDATES = 20
Close = Callable[[], Awaitable[None]]


class DataFactory:
    """Keeps the promises of `core.ports.Platform` for the factories it is given."""

    name = "data_factory"
    resource_types: tuple[str, ...] = (alerts.FACTORIES,)
    doors: tuple[Door, ...] = ()

    def __init__(
        self, factories: Sequence[Factory], clock: Clock, closes: Sequence[Close] = (), *, may_start: bool = True
    ) -> None:
        self.factories = Factories(factories)
        self._may_start = may_start
        self._clock = clock
        self._closes = closes
        self._feeds = {factory.resource.id: Feed(factory, clock) for factory in factories}
        self.connections: Sequence[Resource] = self.factories.resources
        rerun = RetryPipeline(self.factories, clock)
        self.remedies: Mapping[str, Remedy] = {
            "retry_pipeline": rerun,
            "refresh_linked_service": RefreshLinkedService(self.factories, clock, rerun),
        }

    def read(self, signal: Signal) -> Alert | None:
        return alerts.read(signal, self.factories.named)

    async def run(self, ref: RunRef) -> Run | None:
        factory = self.factories.of(ref.resource)
        raw = await factory.run(ref.run_id)
        return run_of(raw, factory.resource) if raw else None

    def identity(self, resource: str) -> Tokens | None:
        return self.factories.of(resource).identity

    async def find(self, alert: Alert) -> Sequence[Run]:
        """Failed runs in the alert's window, widened by ten minutes; of its pipeline, or with its activity."""
        window = _window(alert)
        if window is None:
            return ()
        factory = self.factories.of(alert.resource)
        wanted = {"Status": "Failed"} | ({"PipelineName": alert.pipeline} if alert.pipeline else {})
        runs = [run for run in await _ask(factory, wanted, *window) if run.failed and not run.debug]
        if alert.pipeline or not alert.activity:
            return runs
        return await self._with_activity(runs[:MOST_CANDIDATES], alert.activity)

    async def changes(self, resource: Resource, since: datetime) -> Changes:
        return await self._feeds[self.factories.of(resource.id).resource.id].since(since)

    async def later(self, run: Run) -> Sequence[Run]:
        """Later runs of the group (somebody's reruns) or of the same firing of the trigger, oldest first."""
        factory = self.factories.of(run.ref.resource)
        after = run.started_at or self._clock.now() - timedelta(days=7)
        window = after - MARGIN, self._clock.now() + AHEAD
        questions = [_ask(factory, {"RunGroupId": run.group_id or run.ref.run_id}, *window)]
        if run.window:
            questions.append(_ask(factory, {"PipelineName": run.pipeline}, *window))
        found = [other for answer in await asyncio.gather(*questions) for other in answer]
        same = {other.ref.run_id: other for other in found if _same_work(other, run)}
        return sorted(same.values(), key=_start)

    async def definition(self, run: Run) -> str | None:
        """Of the pipeline as it is published now. When that was says nothing: a deployment publishes all of them."""
        found = await self.factories.of(run.ref.resource).definition("pipelines", run.pipeline)
        properties = found.get("properties") if found else None
        if not isinstance(properties, dict):
            return None
        return fingerprint({name: value for name, value in properties.items() if name != "lastPublishTime"})

    async def latest(self, resource: Resource, pipeline: str) -> Run | None:
        """The run of a pipeline that began last."""
        now, factory = self._clock.now(), self.factories.of(resource.id)
        wanted = {"PipelineName": pipeline}
        found = await factory.runs(wanted, now - WEEK, now + AHEAD, pages=1, youngest_first=True)
        runs = [run for row in found.rows if (run := run_of(row, factory.resource)) and not run.debug]
        return max(runs, key=_start, default=None)

    async def failure(self, run: Run) -> Failure:
        search = Search(self.factories.of(run.ref.resource), self._clock)
        faults = await search.faults(run)
        return Failure(
            platform=self.name,
            pipeline=run.pipeline,
            run_id=run.ref.run_id,
            faults=faults,
            message=run.message,
            ended_at=run.ended_at,
            pages=tuple(dict.fromkeys(search.pages)),
        )

    async def masked(self, run: Run) -> Sequence[Fault]:
        """The activities that failed and were not repeated with success. One question, where none failed."""
        return await Search(self.factories.of(run.ref.resource), self._clock).masked(run)

    async def cancel(self, ref: RunRef) -> None:
        await self.factories.of(ref.resource).cancel(ref.run_id)

    def checks(self) -> Sequence[Chain]:
        return [chain(self.factories.of(one.id), self._clock, self._no_reruns) for one in self.connections]

    async def close(self) -> None:
        for close in self._closes:
            await close()

    def _no_reruns(self) -> str:
        """Why we start none ourselves, as far as we know it; or nothing."""
        if not self._may_start:
            return "AUTO_REMEDIATION_ENABLED is off: no reruns are started, so the role need not allow them"
        by_playbook = self.remedies["retry_pipeline"].via == "playbook"
        return "the playbook starts them, with an identity of its own" if by_playbook else ""

    async def _with_activity(self, runs: Sequence[Run], activity: str) -> Sequence[Run]:
        failures = await asyncio.gather(*(self.failure(run) for run in runs))
        names = [{fault.activity.lower() for fault in failure.faults} for failure in failures]
        return [run for run, failed in zip(runs, names, strict=True) if activity.lower() in failed]


async def _ask(factory: Factory, filters: Filters, after: datetime, before: datetime) -> list[Run]:
    found = await factory.runs(filters, after, before)
    read = (run_of(row, factory.resource) for row in found.rows)
    return sorted((run for run in read if run), key=_start)


def _window(alert: Alert) -> tuple[datetime, datetime] | None:
    if alert.window:
        return alert.window[0] - MARGIN, alert.window[1] + MARGIN
    if alert.failed_at:
        return alert.failed_at - UNTIMED, alert.failed_at + MARGIN
    return None


def _same_work(other: Run, run: Run) -> bool:
    if other.ref == run.ref or _start(other) < _start(run):
        return False
    same_firing = run.window is not None and (other.window, other.pipeline) == (run.window, run.pipeline)
    return other.group_id == run.group_id or same_firing


def _start(run: Run) -> datetime:
    return run.started_at or datetime.max.replace(tzinfo=UTC)
