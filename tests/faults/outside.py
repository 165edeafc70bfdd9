"""Our clients as they are built, the twin at the other end, and what is known of a call before it is made."""

import itertools
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import SecretStr

from pipemend.analyzers.model import Asked
from pipemend.analyzers.model.asking import gemini as asks_gemini
from pipemend.analyzers.model.asking import openai as asks_openai
from pipemend.clients import azure, azure_sdk
from pipemend.clients.http import Http
from pipemend.core.attempt import Attempt
from pipemend.core.clock import WallClock
from pipemend.core.run import Resource
from pipemend.notifiers.jira import api as jira_api
from pipemend.notifiers.jira.notifier import Jira
from pipemend.notifiers.slack.api import Api as SlackApi
from pipemend.platforms.data_factory.client import Factories, Factory
from pipemend.platforms.data_factory.remedies import RetryPipeline
from tests.clients.attempts import attempt
from tests.faults.faults import Name
from tests.platforms.adf import RESOURCE, settings_for
from tests.twin.stage import FACTORY, GROUP, SUBSCRIPTION
from tests.twin.stage import Stage as Twin

ANCIENT = datetime(2001, 1, 1, tzinfo=UTC)
CALM = 30.0  # seconds for what only prepares a call
FAR = datetime(2100, 1, 1, tzinfo=UTC)


async def at_once(_: float) -> None:
    return None


@dataclass(frozen=True)
class Ready:
    """One call, ready to be made. A fault that is to hit it is aimed at what it alone holds; `started` counts the runs
    that it has started."""

    operation: str
    texts: Sequence[str]
    make: Callable[[], Awaitable[object]]
    started: Callable[[], Awaitable[int]] | None = None


class Outside:
    """Our clients as they are built, with short deadlines, and the twin at the other end."""

    def __init__(self, twin: Twin, seconds: float) -> None:
        self.twin = twin
        self.seconds = seconds
        self.settings = settings_for(twin.base_url)
        self.http, self.calm_http = Http(connections=100), Http(connections=100)  # a fault may spoil a pool
        self.slack, self.calm_slack = (self._slack(limit) for limit in (seconds, CALM))
        self.jira, self.calm_jira = self._jira(self.http, seconds), self._jira(self.calm_http, CALM)
        identity = azure.Identity(lambda: azure.credential(self.settings))
        self.sdk = azure_sdk.data_factory_client(identity, SUBSCRIPTION, twin.base_url)
        gemini = asks_gemini("gemini-2.5-flash", "twin-gemini-key", f"{twin.base_url}/gemini")
        openai = asks_openai("gpt-5-mini", "twin-gemini-key", f"{twin.base_url}/openai/v1")
        self.models = {"gemini": Asked("Gemini", gemini), "openai": Asked("OpenAI", openai)}
        self.numbers = itertools.count(1)
        self._closes = AsyncExitStack()
        for used in (self.http, self.calm_http, self.slack, self.calm_slack, self.sdk, identity):
            self._closes.push_async_callback(used.close)

    @property
    def factory(self) -> Factory:
        """With a pace of its own: "slow down" is meant for all who call with an identity."""
        return Factory(Resource("data_factory", RESOURCE, FACTORY), GROUP, self.sdk)

    @property
    def direct(self) -> RetryPipeline:
        return RetryPipeline(Factories([self.factory]), WallClock(), at_once)

    async def close(self) -> None:
        await self._closes.aclose()

    def _slack(self, seconds: float) -> SlackApi:
        return SlackApi(SecretStr("xoxb-twin"), f"{self.twin.base_url}/slack/api/", seconds)

    def _jira(self, http: Http, seconds: float) -> Jira:
        account = jira_api.Account("twin@example.com", SecretStr("twin-jira-token"))
        return Jira(jira_api.Api(http, self.twin.base_url, account, seconds), "OPS", at_once)

    def mark(self) -> str:
        """A word that is in one call alone."""
        return f"cell-{next(self.numbers):05d}-"

    def channel(self) -> str:
        return f"C0{next(self.numbers):08d}"

    async def failed(self, *outcomes: str) -> Attempt:
        """A pipeline of its own whose run has failed, and the attempt that is to repeat it."""
        name = self.mark()
        await self.twin.pipeline(name, *(outcomes or ("GatewayTimeout", "InProgress")))
        run_id = await self.twin.trigger(name)
        await self.twin.ended(run_id)
        now = datetime.now(UTC)
        about = {"resource": RESOURCE, "resource_name": FACTORY, "pipeline": name, "run_group_id": run_id}
        ids = {"original_run_id": run_id, "reference_run_id": run_id}
        return attempt(**about, **ids, created_at=now, started_at=now)

    async def reruns(self, pipeline: str) -> int:
        """How many runs were started by others than the schedule."""
        found = (await self.twin.get("runs", pipeline=pipeline))["runs"]
        return sum(run["askedBy"] != "trigger:schedule" for run in found)


@dataclass(frozen=True)
class OutsideCall:
    """A call by name. `most` requests may be sent for it, and so many `deadlines` may pass; one that `starts` work must
    start it once at most. `refused` is how a refusal may end besides.

    A GET of a library on aiohttp may be doubled: it is sent again where a connection that was kept is closed under it.
    """

    name: str
    service: str
    ready: Callable[[Outside], Awaitable[Ready]]
    most: int = 1
    deadlines: int = 1
    starts: bool = False
    refused: Sequence[Name] = ()

    def __str__(self) -> str:
        return self.name
