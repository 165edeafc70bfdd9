"""One factory, as its vendor's client shows it: plain JSON in, our errors out."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from pipemend.clients import azure
from pipemend.clients.answers import date
from pipemend.clients.azure import WHAT
from pipemend.clients.pace import Pace
from pipemend.core.errors import Missing, Unreadable
from pipemend.core.ports import Tokens
from pipemend.core.run import Resource

if TYPE_CHECKING:
    from azure.mgmt.datafactory.aio import DataFactoryManagementClient

Json = Mapping[str, Any]
Filters = Mapping[str, str]
PAGES = 20
VERSION = "2018-06-01"
QUESTION_SECONDS = 30.0
YOUNGEST_FIRST: Json = {"orderBy": [{"orderBy": "RunStart", "order": "DESC"}]}


@dataclass(frozen=True, slots=True)
class Found:
    """Rows of an answer with all its pages. `at` is the vendor's clock when it began to answer; `complete` is False
    when there were more pages than may be read at once."""

    rows: tuple[Json, ...]
    at: datetime | None = None
    complete: bool = True


class Factory:
    """One factory. Reads are repeated for a few seconds, `create_run` is sent once. All raise OutsideError."""

    def __init__(
        self,
        resource: Resource,
        group: str,
        sdk: "DataFactoryManagementClient",
        *,
        name: str | None = None,
        pace: Pace | None = None,
        identity: Tokens | None = None,
    ) -> None:
        self.resource = resource
        self.identity = identity
        self._place = (group, name or resource.name)
        subscription = resource.id.split("/")[2]
        place = f"/subscriptions/{subscription}/resourceGroups/{quote(group)}/providers/Microsoft.DataFactory"
        self._path = f"{place}/factories/{quote(self._place[1])}"
        self._sdk = sdk
        self._pace = pace or Pace(WHAT, per_second=azure.PER_SECOND, at_once=azure.AT_ONCE)

    async def run(self, run_id: str) -> Json | None:
        try:
            answer: Any = await azure.read(
                "getRun", lambda: self._sdk.pipeline_runs.get(*self._place, run_id, cls=_raw), self._pace
            )
        except Missing:
            return None
        run = _object(answer)
        if not isinstance(run.get("runId"), str):
            raise Unreadable(f"{WHAT} answered with something that is no run")
        return run

    async def runs(
        self,
        filters: Filters,
        after: datetime,
        before: datetime,
        *,
        pages: int = PAGES,
        seconds: float = QUESTION_SECONDS,
        youngest_first: bool = False,
    ) -> Found:
        """The runs that fit all filters (operand: value) and were updated in the window."""

        def ask(body: Any) -> Any:
            return self._sdk.pipeline_runs.query_by_factory(*self._place, body, cls=_raw)

        question = {**_question(filters, after, before), **(YOUNGEST_FIRST if youngest_first else {})}
        return await self._all_pages("queryPipelineRuns", ask, question, pages, seconds)

    async def activities(self, run_id: str, filters: Filters, after: datetime, before: datetime) -> Found:
        """The activity runs of a run that fit all filters."""

        def ask(body: Any) -> Any:
            return self._sdk.activity_runs.query_by_pipeline_run(*self._place, run_id, body, cls=_raw)

        return await self._all_pages(
            "queryActivityruns", ask, _question(filters, after, before), PAGES, QUESTION_SECONDS
        )

    async def create_run(self, pipeline: str, reference: str) -> str:
        """Starts a rerun of the failed activities of a run, with its parameters and in its group; the new run's id."""
        answer: Any = await azure.start(
            "createRun",
            lambda: self._sdk.pipelines.create_run(
                *self._place,
                pipeline,
                reference_pipeline_run_id=reference,
                is_recovery=True,
                start_from_failure=True,
                retry_total=0,  # the library would repeat this POST, and start a second run
                cls=_raw,
            ),
            self._pace,
        )
        run_id = _object(answer).get("runId")
        if not isinstance(run_id, str) or not run_id:
            raise Unreadable(f"{WHAT} accepted the rerun and named no run")
        return run_id

    async def definition(self, kind: str, name: str) -> Json | None:
        """A pipeline, a data set or a linked service as it is defined now; `kind` is its word in addresses."""
        try:
            return _object(await self._plain("get", "GET", f"{kind}/{quote(name, safe='')}"))
        except Missing:
            return None

    async def test_connection(self, linked_service: Json) -> Json:
        """What the Studio's "Test connection" does. Azure does not publish it: neither its documentation nor the
        library know it, deployment tools use it all the same."""
        return _object(
            await self._plain("testConnectivity", "POST", "testConnectivity", {"linkedService": linked_service}, 60.0)
        )

    async def _plain(
        self, operation: str, method: str, path: str, body: Json | None = None, seconds: float | None = None
    ) -> "_Raw":
        """Something that the library has no or only a narrow word for, sent the library's way."""
        from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
        from azure.core.rest import HttpRequest

        async def ask() -> _Raw:
            asked = HttpRequest(method, f"{self._path}/{path}", params={"api-version": VERSION}, json=body)
            answer = await self._sdk.send_request(asked)
            await answer.read()
            if answer.status_code >= 400:
                raise (ResourceNotFoundError if answer.status_code == 404 else HttpResponseError)(response=answer)
            return _Raw(answer.json(), {name.lower(): value for name, value in answer.headers.items()})

        return await azure.read(operation, ask, self._pace, seconds)

    async def cancel(self, run_id: str) -> None:
        """Cancels a run and the runs it started. Doing so twice does no harm, so it may be repeated."""
        await azure.read(
            "cancel",
            lambda: self._sdk.pipeline_runs.cancel(*self._place, run_id, is_recursive=True, cls=_no_page),
            self._pace,
        )

    async def _all_pages(self, operation: str, ask: Any, body: dict[str, Any], pages: int, seconds: float) -> Found:
        ends = asyncio.get_running_loop().time() + seconds
        rows: list[Json] = []
        at: datetime | None = None
        for _ in range(pages):
            answer = await azure.read(operation, partial(ask, body), self._pace)
            at = at or date(answer.headers.get("date", ""))
            page = _object(answer)
            rows += _rows(page)
            token = page.get("continuationToken")
            if not token:
                return Found(tuple(rows), at)
            body = {**body, "continuationToken": token}
            if asyncio.get_running_loop().time() > ends:
                break
        return Found(tuple(rows), at, complete=False)


class Factories:
    """The factories we are connected to, by the lower-cased id of their resource."""

    def __init__(self, factories: Iterable[Factory]) -> None:
        self._by_id = {factory.resource.id: factory for factory in factories}

    @property
    def resources(self) -> Sequence[Resource]:
        return tuple(factory.resource for factory in self._by_id.values())

    def of(self, resource: str | None) -> Factory:
        """The factory of a resource; of none given, the only one there is. Raises Missing."""
        if resource is None and len(self._by_id) == 1:
            return next(iter(self._by_id.values()))
        found = self._by_id.get((resource or "").lower())
        if found is None:
            raise Missing(f"no connection for {resource or 'an unnamed factory'}")
        return found

    def named(self, name: str) -> Resource | None:
        """The connection whose factory has this bare name, whatever its case; None when there is none or two."""
        found = [resource for resource in self.resources if resource.name.lower() == name.lower()]
        return found[0] if len(found) == 1 else None


@dataclass(frozen=True, slots=True)
class _Raw:
    """An answer before the library makes models of it: they cost much and say no more."""

    body: object
    headers: Mapping[str, str]


def _raw(response: Any, _: object, __: object) -> _Raw:
    http = response.http_response
    return _Raw(http.json(), {str(name).lower(): str(value) for name, value in http.headers.items()})


def _no_page(response: Any, _: object, __: object) -> None:
    """A good answer has no body; a page is the one of a proxy that let nothing through. Raises Unreadable."""
    if response.http_response.body().lstrip().startswith(b"<"):
        raise Unreadable(f"{WHAT} answered with a web page")


def _object(answer: _Raw) -> Json:
    if not isinstance(answer.body, dict):
        raise Unreadable(f"{WHAT} answered with something that is no JSON object")
    return answer.body


def _rows(page: Json) -> list[Json]:
    rows = page.get("value")
    if not isinstance(rows, list):
        raise Unreadable(f"{WHAT} answered without a list of runs")
    return [row for row in rows if isinstance(row, dict)]


def _question(filters: Filters, after: datetime, before: datetime) -> dict[str, Any]:
    asked = [{"operand": name, "operator": "Equals", "values": [value]} for name, value in filters.items()]
    window = {"lastUpdatedAfter": after.isoformat(), "lastUpdatedBefore": before.isoformat()}
    return {**window, "filters": asked} if asked else {**window}
