"""The remedy that waits for somebody else's data: the pipelines upstream first, then the ticket's own."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from pipemend.core.attempt import RERUN, Attempt, Declined, Progress, Stage, Wait
from pipemend.core.ports import KnowsLatest, Platform, Remedy
from pipemend.core.run import Rerun, Resource, Run

UPSTREAM, AGAIN = "upstream", 60.0

Names = Callable[[str, str], Sequence[str]]  # of a resource's name and a pipeline: the `factory/name` upstream of it


class CheckUpstream:
    """Waits until the latest run of each pipeline upstream has succeeded, then does what `rerun` does.

    One that has failed is not rerun here: it has a ticket of its own, with rules, limits and attempts of its own. Its
    end is waited for until the deadline.
    """

    via = "direct"
    first = Stage(UPSTREAM)

    def __init__(self, platforms: Mapping[str, Platform], names: Names, rerun: Remedy) -> None:
        self._platforms = platforms
        self._names = names
        self._rerun = rerun

    async def advance(self, attempt: Attempt, stage: Stage) -> Progress:
        if stage.starts:
            return await self._rerun.advance(attempt, stage)
        names = self._names(attempt.resource_name, attempt.pipeline)
        if not names:
            return Wait(0, RERUN, "no rule names a pipeline upstream of it: the rerun itself will tell")
        for name in names:
            where = next(self._places(name), None)
            if where is None:
                return Declined(f"there is no connection for {name}, which is upstream of it", final=True)
            platform, resource, pipeline = where
            if why := waits_for(name, await platform.latest(resource, pipeline)):
                return Wait(AGAIN, UPSTREAM, why)
        return Wait(0, RERUN, f"{', '.join(names)} upstream of it went well")

    async def started(self, attempt: Attempt) -> Sequence[Rerun]:
        return await self._rerun.started(attempt)

    def _places(self, name: str) -> Iterator[tuple[KnowsLatest, Resource, str]]:
        """Where a `factory/name` runs; a factory's name holds no slash."""
        resource_name, _, pipeline = name.partition("/")
        for platform in self._platforms.values():
            for resource in platform.connections:
                if resource.name.lower() == resource_name.lower() and isinstance(platform, KnowsLatest):
                    yield platform, resource, pipeline


def waits_for(name: str, latest: Run | None) -> str:
    """Why the work has to wait for its upstream; empty when it has not."""
    if latest is None:
        return f"{name} upstream of it has not run lately"
    if not latest.ended:
        return f"{name} upstream of it is running ({latest.ref.run_id})"
    if latest.failed:
        return f"{name} upstream of it has failed ({latest.ref.run_id}): waiting for its repair"
    return "" if latest.status == "Succeeded" else f"{name} upstream of it was cancelled ({latest.ref.run_id})"
