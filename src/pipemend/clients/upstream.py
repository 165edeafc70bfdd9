"""The remedy that waits for somebody else's data: the pipelines and blobs upstream first, then the ticket's own."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence

from pipemend.clients.blobs import Blobs
from pipemend.clients.http import Http
from pipemend.core import blob
from pipemend.core.attempt import RERUN, UPSTREAM, Attempt, Declined, Needs, Progress, Stage, Wait
from pipemend.core.ports import KnowsLatest, Platform, Remedy
from pipemend.core.run import Rerun, Resource, Run, RunStatus

AGAIN = 60.0

Names = Callable[[str, str], Sequence[str]]  # of a resource's name and a pipeline: what is upstream of it
Place = tuple[KnowsLatest, Resource, str]


class CheckUpstream:
    """Waits until the latest run of each pipeline upstream has succeeded and each blob is there, then does what `rerun`
    does.

    Pipelines that have failed have to be run again. That is said here, and not done: each has a ticket of its own, with
    rules, limits and attempts of its own.
    """

    via = "direct"
    first = Stage(UPSTREAM)

    def __init__(self, platforms: Mapping[str, Platform], names: Names, rerun: Remedy, http: Http) -> None:
        self._platforms = platforms
        self._blobs = Blobs(http, platforms)
        self._names = names
        self._rerun = rerun

    async def advance(self, attempt: Attempt, stage: Stage) -> Progress:
        if stage.starts:
            return await self._rerun.advance(attempt, stage)
        names = self._names(attempt.resource_name, attempt.pipeline)
        if not names:
            return Wait(0, RERUN, "no rule names what is upstream of it: the rerun itself will tell")
        blobs = [name for name in names if blob.is_address(name)]
        places = {name: next(self._places(name), None) for name in names if name not in blobs}
        if unknown := next((name for name, place in places.items() if place is None), None):
            return Declined(f"there is no connection for {unknown}, which is upstream of it", final=True)
        runs, stand = await asyncio.gather(
            asyncio.gather(*(_latest(place) for place in places.values() if place)),
            asyncio.gather(*(self._blobs.awaited(attempt, name) for name in blobs)),
        )
        return judged(dict(zip(places, runs, strict=True)), dict(zip(blobs, stand, strict=True)))

    async def started(self, attempt: Attempt) -> Sequence[Rerun]:
        return await self._rerun.started(attempt)

    async def details(self, attempt: Attempt) -> Mapping[str, object]:
        """What a playbook has to look at, as rules name it."""
        return {"upstream": list(self._names(attempt.resource_name, attempt.pipeline))}

    def _places(self, name: str) -> Iterator[Place]:
        """Where a `factory/name` runs; a factory's name holds no slash."""
        resource_name, _, pipeline = name.partition("/")
        for platform in self._platforms.values():
            for resource in platform.connections:
                if resource.name.lower() == resource_name.lower() and isinstance(platform, KnowsLatest):
                    yield platform, resource, pipeline


async def _latest(place: Place) -> Run | None:
    platform, resource, pipeline = place
    return await platform.latest(resource, pipeline)


def judged(latest: Mapping[str, Run | None], blobs: Mapping[str, str | Declined]) -> Progress:
    """What it means for the work that waits how the latest runs upstream stand, and why blobs are waited for, if they
    are."""
    for name, run in latest.items():
        if run is not None and run.status is RunStatus.CANCELLED:
            return Declined(f"{name} upstream of it was cancelled ({run.ref.run_id}): a person decides", final=True)
    if refused := next((one for one in blobs.values() if isinstance(one, Declined)), None):
        return refused
    waits = (*(_awaited(name, run) for name, run in latest.items()), *map(str, blobs.values()))
    why = "; ".join(filter(None, waits))
    failed = tuple((name, run) for name, run in latest.items() if run is not None and run.failed)
    if failed:
        return Needs(failed, why)
    return Wait(AGAIN, UPSTREAM, why) if why else Wait(0, RERUN, _ready(tuple(latest), tuple(blobs)))


def _ready(names: Sequence[str], blobs: Sequence[str]) -> str:
    went = f"{', '.join(names)} upstream of it went well" if names else ""
    there = f"{', '.join(blobs)} upstream of it {'is' if len(blobs) == 1 else 'are'} there" if blobs else ""
    return "; ".join(filter(None, (went, there)))


def _awaited(name: str, run: Run | None) -> str:
    if run is None:
        return f"{name} upstream of it has not run lately"
    return "" if run.ended else f"{name} upstream of it is running ({run.ref.run_id})"
