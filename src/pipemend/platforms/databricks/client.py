"""One workspace over its REST API: plain JSON in, our errors out.

What the calls look like: https://docs.databricks.com/api/azure/workspace/jobs
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from urllib.parse import urlsplit

from pipemend import meters
from pipemend.clients.answers import date, read_again, refusal, retry_after
from pipemend.clients.azure import Identity
from pipemend.clients.http import Answer, Http
from pipemend.clients.pace import Pace
from pipemend.core.errors import Missing, NotAllowed, OutsideError, Refused, Throttled, Unreadable
from pipemend.core.run import Resource
from pipemend.core.scrub import cut

Json = Mapping[str, Any]
WHAT = "Databricks"
READ_SECONDS, START_SECONDS = 10.0, 30.0
PER_SECOND, AT_ONCE = 10.0, 1  # evenly: a burst would be more than we promise a second
PAGES = 40
RESTS = 1.0  # seconds without calls after a "slow down" that names no time
BUSY = ("REQUEST_LIMIT_EXCEEDED", "RESOURCE_EXHAUSTED")  # said before any work; TEMPORARILY_UNAVAILABLE may come after
# An unknown id is answered with 400, and only the sentence says what is meant.
NOT_THERE = re.compile(r"\b(?:run|job|cluster)\b.{0,80}\bdo(?:es)?(?: not|n't) exist", re.IGNORECASE)
NUMBER = re.compile(r"adb-(\d+)\.")  # the host of a workspace begins with its id
ABSENT = ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND", "ENDPOINT_NOT_FOUND")


class Tokens(Protocol):
    """Whose token goes on the requests."""

    async def token(self) -> str: ...

    async def renew(self, refused: str) -> bool: ...

    async def close(self) -> None: ...


class Rejected(Refused):
    """Databricks refused the request and said why in a code, e.g. INVALID_STATE."""

    def __init__(self, message: str, *, status: int, code: str) -> None:
        super().__init__(message, status=status)
        self.code = code


@dataclass(frozen=True, slots=True)
class Page:
    """An answer. `at` is the workspace's clock."""

    body: Json
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Found:
    """Rows of an answer with all its pages. `at` is the workspace's clock; `complete` is False when there were more."""

    rows: tuple[Json, ...]
    at: datetime | None = None
    complete: bool = True


class Workspace:
    """One workspace. Reads are repeated for a few seconds, calls that start something are sent once.

    All raise OutsideError. A 401 says that nothing was done, so every call is sent again with a new token.
    """

    def __init__(
        self,
        resource: Resource,
        address: str,
        http: Http,
        tokens: Tokens,
        pace: Pace | None = None,
        azure_id: str = "",
        identity: Identity | None = None,
    ) -> None:
        self.resource = resource
        self.identity = identity  # for what is outside the workspace, also where it has a token of its own
        self.azure_id = azure_id  # as Azure Monitor names it, where that is known
        self._address = address
        self._http = http
        self._tokens = tokens
        self._pace = pace or Pace(WHAT, per_second=PER_SECOND, at_once=AT_ONCE)
        self.repaired: set[str] = set()  # runs that we have had repaired, for the feed to look at

    async def run(self, run_id: str) -> Json | None:
        """A run of a job or of a task with its repairs and all its tasks; None when there is no such run."""
        if not run_id.isdigit():
            return None  # no run of Databricks is called that, and a text would be refused
        asked: dict[str, Any] = {"run_id": run_id, "include_history": "true"}
        try:
            whole = dict(await self._read("2.2/jobs/runs/get", asked))
            page: Json = whole
            for _ in range(PAGES):
                if not (token := page.get("next_page_token")):
                    break
                page = await self._read("2.2/jobs/runs/get", {**asked, "page_token": token})
                whole["tasks"] = [*_list(whole, "tasks"), *_list(page, "tasks")]
        except Missing:
            return None
        return whole

    async def runs(self, *, pages: int = PAGES, **asked: Any) -> Found:
        """The runs of jobs that fit what is asked, the latest started first; with `run_type` None of all that run."""
        rows: list[Json] = []
        at: datetime | None = None
        whole = {"run_type": "JOB_RUN", "limit": 25, **asked}
        query = {name: value for name, value in whole.items() if value is not None}
        for _ in range(pages):
            answer = await self._page("2.2/jobs/runs/list", query)
            at, page = at or answer.at, answer.body
            rows += [row for row in _list(page, "runs") if isinstance(row, dict)]
            if not (token := page.get("next_page_token")):
                return Found(tuple(rows), at)
            query = {**query, "page_token": token}
        return Found(tuple(rows), at, complete=False)

    async def job(self, job_id: str) -> Json | None:
        """A job with its settings; of one with very many tasks those of the first page."""
        try:
            return await self._read("2.2/jobs/get", {"job_id": job_id})
        except Missing:
            return None

    async def job_named(self, name: str) -> str:
        """The id of the job with this name; empty when there is none, or more than one."""
        page = await self._read("2.2/jobs/list", {"name": name})
        ids = [str(job.get("job_id")) for job in _list(page, "jobs") if isinstance(job, dict) and job.get("job_id")]
        return ids[0] if len(ids) == 1 else ""

    async def output(self, task_run_id: str) -> Json:
        """What a task's run left behind: error, trace, the run that it started."""
        return await self._read("2.2/jobs/runs/get-output", {"run_id": task_run_id})

    async def repair(self, run_id: str, latest_repair_id: str | None) -> str:
        """Runs the failed tasks of a run once more, and what depends on them; the id of the repair."""
        body: dict[str, Any] = {"run_id": int(run_id), "rerun_all_failed_tasks": True}
        if latest_repair_id:
            body["latest_repair_id"] = int(latest_repair_id)
        self.repaired.add(run_id)
        return _id(await self._start("2.2/jobs/runs/repair", body), "repair_id")

    async def run_now(self, job_id: str, idempotency_token: str, parameters: Json) -> str:
        """Runs a job; the new run's id. The same token again is the same run."""
        body = {"job_id": int(job_id), "idempotency_token": idempotency_token, **parameters}
        return _id(await self._start("2.2/jobs/run-now", body), "run_id")

    async def cancel(self, run_id: str) -> None:
        """Cancels a run. Doing so twice does no harm."""
        await self._start("2.2/jobs/runs/cancel", {"run_id": int(run_id)})

    async def cluster(self, cluster_id: str) -> Json | None:
        try:
            return await self._read("2.1/clusters/get", {"cluster_id": cluster_id})
        except Missing:
            return None

    async def libraries(self, cluster_id: str) -> Sequence[Json]:
        """The libraries of a cluster, each with its status and messages."""
        try:
            page = await self._read("2.0/libraries/cluster-status", {"cluster_id": cluster_id})
        except Missing:
            return ()
        return [row for row in _list(page, "library_statuses") if isinstance(row, dict)]

    async def node_types(self) -> Sequence[Json]:
        """The machines of which clusters may be made; none where we may not ask."""
        try:
            page = await self._read("2.1/clusters/list-node-types", {})
        except (Missing, NotAllowed):
            return ()
        return [row for row in _list(page, "node_types") if isinstance(row, dict)]

    async def act(self, path: str, body: Json) -> None:
        """Something that answers `{}` and takes its time, such as `2.1/clusters/restart`."""
        await self._start(path, body)

    async def close(self) -> None:
        await self._http.close()
        await self._tokens.close()
        if self.identity is not None:
            await self.identity.close()

    async def _read(self, path: str, query: Json) -> Json:
        return (await self._page(path, query)).body

    async def _page(self, path: str, query: Json) -> Page:
        async def ask() -> Page:
            return await self._send("GET", path, READ_SECONDS, params=query)

        return await read_again(ask, WHAT, READ_SECONDS)

    async def _start(self, path: str, body: Json) -> Json:
        return (await self._send("POST", path, START_SECONDS, json=body, starts=True)).body

    async def _send(self, method: str, path: str, deadline: float, *, starts: bool = False, **more: Any) -> Page:
        await self._pace.turn()
        token = await self._tokens.token()
        with meters.outside("databricks", path.partition("/")[2]):
            answer = await self._with(token, method, path, deadline, **more)
            if answer.status == 401 and await self._tokens.renew(token):
                answer = await self._with(await self._tokens.token(), method, path, deadline, **more)
            answer = self._checked(answer, starts=starts)
            return Page(_object(answer), date(answer.headers.get("date", "")))

    async def _with(self, token: str, method: str, path: str, deadline: float, **more: Any) -> Answer:
        url, headers = f"{self._address}/api/{path}", {"Authorization": f"Bearer {token}"}
        return await self._http.send(WHAT, method, url, deadline=deadline, headers=headers, **more)

    def _checked(self, answer: Answer, *, starts: bool) -> Answer:
        if answer.good:
            return answer
        error = refused(answer, starts=starts)
        if isinstance(error, Throttled):
            self._pace.rest(error.retry_after or RESTS)
        raise error


class Workspaces:
    """The workspaces we are connected to, by the lower-cased id of their resource."""

    def __init__(self, workspaces: Iterable[Workspace]) -> None:
        self._by_id = {workspace.resource.id: workspace for workspace in workspaces}

    @property
    def resources(self) -> Sequence[Resource]:
        return tuple(workspace.resource for workspace in self._by_id.values())

    def of(self, resource: str | None) -> Workspace:
        """The workspace of a resource; of none given, the only one there is. Raises Missing."""
        if resource is None and len(self._by_id) == 1:
            return next(iter(self._by_id.values()))
        found = self._by_id.get((resource or "").lower())
        if found is None:
            raise Missing(f"no connection for {resource or 'an unnamed workspace'}")
        return found

    def named(self, name: str) -> str | None:
        """The resource of a workspace by its number, its host or address, or its Azure resource.

        A number is part of the host. What tells nothing of a workspace means the only one there is.
        """
        asked = (urlsplit(name).netloc or name).strip().lower()
        for workspace in self:
            resource, number = workspace.resource, NUMBER.match(workspace.resource.id)
            if asked in (resource.id, resource.name.lower(), workspace.azure_id) or (number and number[1] == asked):
                return resource.id
        only = self.resources[0].id if len(self._by_id) == 1 else None
        tells = asked.isdigit() and only and NUMBER.match(only)
        return None if tells or asked.endswith(".azuredatabricks.net") else only

    def __iter__(self) -> Iterator[Workspace]:
        return iter(self._by_id.values())


def refused(answer: Answer, *, starts: bool) -> OutsideError:
    """What an answer that is no success means. Its body is an object with a code, plain text, or a page."""
    code, message = _complaint(answer)
    said = " ".join(part for part in (code, message) if part)
    wait = retry_after(answer.headers)
    if code in BUSY:
        return refusal(429, WHAT, said, retry_after=wait)
    if answer.status in (400, 404) and (code in ABSENT or NOT_THERE.search(message)):
        return refusal(404, WHAT, said)
    error = refusal(answer.status, WHAT, said, retry_after=wait, starts=starts)
    if type(error) is Refused:
        return Rejected(str(error), status=answer.status, code=code)
    return error


def _complaint(answer: Answer) -> tuple[str, str]:
    try:
        body = answer.json(WHAT)
    except Unreadable:
        body = None
    if not isinstance(body, dict):
        return "", cut(answer.text, 2000)
    words = (body.get(name) for name in ("message", "detail", "error"))
    return str(body.get("error_code") or ""), next((str(word) for word in words if word), "")


def _object(answer: Answer) -> Json:
    """A private workspace answers with its login page and 200 to whoever comes from outside its network."""
    body = answer.json(WHAT)
    if not isinstance(body, dict):
        raise Unreadable(f"{WHAT} answered with something that is no JSON object")
    return body


def _list(page: Json, name: str) -> Sequence[Any]:
    rows = page.get(name)
    if rows is None:
        return []
    if not isinstance(rows, list):
        raise Unreadable(f"{WHAT} answered without a list of {name}")
    return rows


def _id(answer: Json, name: str) -> str:
    value = answer.get(name)
    if isinstance(value, bool) or not isinstance(value, int | str) or not value:
        raise Unreadable(f"{WHAT} accepted and named no {name.replace('_', ' ')}")
    return str(value)


class PersonalToken:
    """A token that a person made in the workspace. It is what it is: nobody can renew it."""

    def __init__(self, token: str) -> None:
        self._token = token

    async def token(self) -> str:
        return self._token

    async def renew(self, refused: str) -> bool:
        return False

    async def close(self) -> None:
        return None


class EntraToken:
    """The token of an Azure identity. The identity must be a user or service principal of the workspace."""

    SCOPE = "2ff814a6-3304-4ab8-85cb-cd0e6f879c1d/.default"  # Azure Databricks, the same in every tenant

    def __init__(self, identity: Identity) -> None:
        self._identity = identity

    async def token(self) -> str:
        return await self._identity.token(self.SCOPE)

    async def renew(self, refused: str) -> bool:
        return await self._identity.renew(refused)

    async def close(self) -> None:
        await self._identity.close()
