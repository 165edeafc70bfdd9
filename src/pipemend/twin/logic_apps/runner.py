"""Carrying out Logic Apps in the background, one run for each request."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx

from ..identity import Identity, grant
from .carrying_out import Response, WorkflowRun
from .http_action import Outside
from .loaded import App
from .workflows import Invocation

PATIENCE_SECONDS = 10.0
MOST_REQUESTS = 50
LOOK_SECONDS = 0.1


@dataclass
class Started:
    """A run under way: `answer` is set when it answers, `ended` is its task."""

    answer: "asyncio.Future[Response]"
    ended: "asyncio.Task[None]"
    outside: Outside
    begun: float

    async def answered_within(self, seconds: float) -> bool:
        """Waits for its answer or its end, so long on the clock of the run; whether either came in time."""
        while not self.answer.done() and not self.ended.done():
            if self.outside.seconds - self.begun > seconds:
                return False
            await asyncio.wait((self.answer, self.ended), timeout=LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        return not self.answer.done() or self.answer.result().seconds - self.begun <= seconds


@dataclass
class Runner:
    """Carries Logic Apps out in the background, and remembers each run by its id."""

    runs: dict[str, Started] = field(default_factory=dict)
    _tasks: "set[asyncio.Task[None]]" = field(default_factory=set)
    _client: httpx.AsyncClient | None = None

    def start(self, app: App, past: Invocation, identity: Identity) -> Started:
        """Begins a run of the app, which waits for its turn."""
        loop = asyncio.get_running_loop()
        outside = Outside(
            past.base_url, self._http(), lambda audience: grant(identity, audience)[0], _headers(app, past), app.pace
        )
        run = WorkflowRun(
            definition=app.definition,
            body=past.body,
            parameters=app.parameters,
            workflow={"id": app.id, "name": app.name, "run": {"name": past.workflow_run_id}},
            outside=outside,
            answer=loop.create_future(),
        )
        task = loop.create_task(_carry_out(app, run, past))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        started = Started(run.answer, task, outside, outside.seconds)
        self.runs[str(past.workflow_run_id)] = started
        return started

    def _http(self) -> httpx.AsyncClient:
        if self._client is None:
            limits = httpx.Limits(max_connections=MOST_REQUESTS)
            self._client = httpx.AsyncClient(timeout=PATIENCE_SECONDS, limits=limits, trust_env=False)
        return self._client

    def forget(self) -> None:
        """Stops what is under way."""
        for task in self._tasks:
            task.cancel()
        self.runs.clear()

    async def close(self) -> None:
        self.forget()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._client is not None:
            await self._client.aclose()
            self._client = None


async def _carry_out(app: App, run: WorkflowRun, past: Invocation) -> None:
    past.state = "Waiting"
    async with app.turn():
        past.state = "Running"
        past.state = await run.carry_out()
    past.actions = {name: {"status": done.status, "error": done.error} for name, done in run.done.items()}
    if run.answer.done():
        past.run_id = _run_id(run.answer.result())


def _headers(app: App, past: Invocation) -> Mapping[str, str]:
    """Whoever is called is told which run calls."""
    return {
        "x-ms-workflow-name": app.name,
        "x-ms-workflow-run-id": str(past.workflow_run_id),
        "x-ms-client-tracking-id": past.tracking_id,
        "User-Agent": "azure-logic-apps/1.0",
    }


def _run_id(answer: Response) -> str | None:
    found = answer.body.get("run_id") if isinstance(answer.body, dict) else None
    return str(found) if found else None
