"""What can be done about a connection that failed: it is tested, and the pipeline is run again when it works.

Saving a linked service once more could break what others use, so nothing is changed.
"""

import asyncio
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipemend.core.attempt import RERUN, Attempt, Declined, Progress, Stage, Wait
from pipemend.core.clock import Clock
from pipemend.core.ports import Remedy
from pipemend.core.run import Rerun
from pipemend.core.scrub import cut, scrub
from pipemend.platforms.data_factory.client import Factories, Factory, Json
from pipemend.platforms.data_factory.failures import Search
from pipemend.platforms.data_factory.runs import run_of, text

TEST, MOST = "test", 10
NOT_TESTED = "has parameters and cannot be tested from outside: the rerun itself will tell"
NAME = re.compile(r"[\w .-]{1,260}")


class RefreshLinkedService:
    """Tests the linked services of the activities that failed; if they work, does what `rerun` does."""

    via = "direct"
    first = Stage(TEST)

    def __init__(self, factories: Factories, clock: Clock, rerun: Remedy) -> None:
        self._factories = factories
        self._clock = clock
        self._rerun = rerun

    async def advance(self, attempt: Attempt, stage: Stage) -> Progress:
        if stage.starts:
            return await self._rerun.advance(attempt, stage)
        factory = self._factories.of(attempt.resource)
        names = await self._names(factory, attempt)
        if not names:
            return Declined("the activities that failed name no linked service that could be tested", final=True)
        tested = await asyncio.gather(*(_tested(factory, name) for name in names[:MOST]))
        return judged(dict(zip(names[:MOST], tested, strict=True)), untested=len(names[MOST:]))

    async def started(self, attempt: Attempt) -> Sequence[Rerun]:
        return await self._rerun.started(attempt)

    async def _names(self, factory: Factory, attempt: Attempt) -> Sequence[str]:
        """The linked services that the failed activities use, in their definitions as they are now."""
        raw = await factory.run(attempt.reference_run_id)
        run = run_of(raw, factory.resource) if raw else None
        if run is None:
            return ()
        search = Search(factory, self._clock)
        await search.faults(run)
        named: dict[str, None] = {}
        for pipeline in dict.fromkeys(pipeline for pipeline, _ in search.broken):
            definition = await factory.definition("pipelines", pipeline)
            failed = {activity for name, activity in search.broken if name == pipeline}
            for activity in _activities(definition or {}):
                if text(activity.get("name")) in failed:
                    named.update(dict.fromkeys(await _services(factory, activity)))
        return tuple(named)


def judged(results: Mapping[str, str | None], untested: int = 0) -> Progress:
    """What the tests mean: None is a connection that works, a text says why one does not."""
    broken = [f"{name} does not work: {why}" for name, why in results.items() if why not in (None, NOT_TESTED)]
    if broken:
        return Declined(f"the connection of the linked service {'; of '.join(broken)}", final=True)
    said = [f"the linked service {name} {why or 'was tested and connects'}" for name, why in results.items()]
    rest = [f"{untested} more were not tested"] if untested else []
    return Wait(0, RERUN, "; ".join([*said, *rest]))


async def _tested(factory: Factory, name: str) -> str | None:
    definition = await factory.definition("linkedservices", name)
    if definition is None:
        return "it does not exist any more"
    if _properties(definition).get("parameters"):
        return NOT_TESTED
    answer = await factory.test_connection(definition)
    if answer.get("succeeded") is True:
        return None
    errors = answer.get("errors")
    rows = [row for row in errors if isinstance(row, dict)] if isinstance(errors, list) else []
    said = "; ".join(" ".join(filter(None, (text(row.get("code")), text(row.get("message"))))) for row in rows)
    return cut(scrub(said), 1000) or "Data Factory gave no reason"


async def _services(factory: Factory, activity: Json) -> Sequence[str]:
    """Named by the activity itself, or by the data sets that it reads and writes."""
    found = [name for kind, name in _references(activity) if kind == "LinkedServiceReference"]
    for name in dict.fromkeys(name for kind, name in _references(activity) if kind == "DatasetReference"):
        dataset = await factory.definition("datasets", name)
        found += [inner for kind, inner in _references(dataset or {}) if kind == "LinkedServiceReference"]
    return found


def _references(value: object) -> Iterator[tuple[str, str]]:
    """Every reference within a definition; not those of activities inside an activity, which speak for themselves."""
    if isinstance(value, list):
        for item in value:
            yield from _references(item)
    elif isinstance(value, dict):
        name = text(value.get("referenceName"))
        if NAME.fullmatch(name):
            yield text(value.get("type")), name
        for key, inner in value.items():
            if key not in INNER:
                yield from _references(inner)


INNER = ("activities", "ifTrueActivities", "ifFalseActivities", "defaultActivities", "cases")


def _activities(value: object) -> Iterator[Json]:
    """Every activity of a pipeline, those inside loops and branches too."""
    if isinstance(value, list):
        for item in value:
            yield from _activities(item)
    elif isinstance(value, dict):
        if "name" in value and "type" in value:
            yield value
        for inner in value.values():
            yield from _activities(inner)


def _properties(definition: Json) -> Mapping[str, Any]:
    found = definition.get("properties")
    return found if isinstance(found, dict) else {}
