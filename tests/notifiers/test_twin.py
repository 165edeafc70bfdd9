"""Both notifiers as they are built, against the twin: its checks are the vendors' own, and so are its bad days."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from pipemend.clients.http import Http
from pipemend.core.errors import NoAnswer, OutsideError
from pipemend.core.ports import News, Notifier, Receipt
from pipemend.notifiers import jira, slack
from pipemend.notifiers.jira.api import Account
from pipemend.notifiers.jira.api import Api as JiraApi
from pipemend.notifiers.slack.api import Api as SlackApi
from pipemend.settings import Settings
from pipemend.twin import running
from tests.notifiers.samples import EVERY_EVENT, exhausted, explained, opened, repeated, retried, started, succeeded
from tests.notifiers.tiny_slack import as_read

CHANNEL = "C0ALERTS01"
LOST = ("timeout_after", "drop_after", "status_after", "half_close", "wrong_length")
NOT_DONE = ("timeout_before", "drop_before", "status", "html", "garbage")
STORY = (opened(), started(), retried(), started(2), explained(), succeeded(2))


@dataclass
class Twin:
    base: str
    http: httpx.AsyncClient

    async def get(self, path: str) -> Any:
        return (await self.http.get(f"/twin/{path}")).raise_for_status().json()

    async def put(self, path: str, **body: Any) -> None:
        (await self.http.put(f"/twin/{path}", json=body)).raise_for_status()

    async def fault(self, service: str, operation: str, kind: str, **more: Any) -> None:
        match = {"service": service, "operation": operation}
        (await self.http.post("/twin/faults", json={"match": match, "kind": kind, **more})).raise_for_status()

    async def messages(self) -> list[dict[str, Any]]:
        return list((await self.get("slack/messages"))["messages"])

    async def issues(self) -> list[dict[str, Any]]:
        return list((await self.get("jira/issues"))["issues"])

    @property
    def settings(self) -> Settings:
        return Settings.of(
            {
                "ALLOWED_HOSTS": "127.0.0.1, management.azure.com, login.microsoftonline.com",
                "SLACK_BOT_TOKEN": "xoxb-twin",
                "SLACK_ALERT_CHANNEL": CHANNEL,
                "SLACK_API_URL": f"{self.base}/slack/api/",
                "JIRA_DOMAIN": self.base,
                "JIRA_USER_EMAIL": "twin@example.com",
                "JIRA_API_TOKEN": "twin-jira-token",
            }
        )


@pytest.fixture
async def twin() -> AsyncIterator[Twin]:
    async with running() as base, httpx.AsyncClient(base_url=base, trust_env=False) as http:
        yield Twin(base, http)


@pytest.fixture(params=["slack", "jira"])
async def notifier(request: pytest.FixtureRequest, twin: Twin) -> AsyncIterator[Notifier]:
    built: Notifier | None = (slack if request.param == "slack" else jira).build(twin.settings)
    assert built
    yield built
    await built.close()


@pytest.fixture
async def hasty_slack(twin: Twin) -> AsyncIterator[slack.Slack]:
    """With a deadline that a test can wait for."""
    built = slack.Slack(SlackApi(SecretStr("xoxb-twin"), f"{twin.base}/slack/api/", 1.0), CHANNEL)
    yield built
    await built.close()


@pytest.fixture
async def hasty_jira(twin: Twin) -> AsyncIterator[jira.Jira]:
    async def nap(_: float) -> None: ...

    account = Account("twin@example.com", SecretStr("twin-jira-token"))
    built = jira.Jira(JiraApi(Http(), twin.base, account, 1.0), "OPS", nap)
    yield built
    await built.close()


@pytest.mark.parametrize("told", EVERY_EVENT.values(), ids=list(EVERY_EVENT))
async def test_every_event_is_taken(notifier: Notifier, told: News):
    receipt = await notifier.tell(opened(), None)

    assert await notifier.tell(told, receipt)


async def test_slack_shows_the_whole_story(twin: Twin, hasty_slack: slack.Slack):
    await tell(hasty_slack, STORY)

    original, *thread = await twin.messages()
    assert [message["text"] for message in thread] == [
        "🤖 Auto-remediation attempt 1 for nightly-load",
        "🔄 Retry attempt 2 for nightly-load",
        "🤖 Auto-remediation attempt 2 for nightly-load",
    ]
    assert {message["thread_ts"] for message in thread} == {original["ts"]}
    assert original["text"] == "✅ Auto-remediation successful for nightly-load"
    assert as_read(original["blocks"]).startswith("✅ Auto-Remediation Successful\n")
    assert original["metadata"]["event_payload"]["event_id"] == opened().id


@pytest.mark.parametrize("direct", [True, False])
@pytest.mark.parametrize("screen", [True, False])
async def test_jira_shows_the_whole_story(twin: Twin, hasty_jira: jira.Jira, direct: bool, screen: bool):
    await twin.put("jira", direct=direct, resolution_screen=screen)
    await tell(hasty_jira, STORY)

    (issue,) = await twin.issues()
    assert issue["status"] == "Done"
    assert issue["summary"] == "nightly-load failed - GatewayTimeout"
    assert len(issue["comments"]) == 3


async def test_jira_is_searched_again_while_its_search_lags(twin: Twin, hasty_jira: jira.Jira):
    await hasty_jira.tell(opened(), None)
    await twin.put("jira", lag=60)

    async def nap(_: float) -> None:
        await twin.put("jira", lag=0)

    hasty_jira._sleep = nap
    await hasty_jira.tell(repeated(opened()), None)

    assert len(await twin.issues()) == 1


@pytest.mark.parametrize("kind", [*LOST, *NOT_DONE])
async def test_slack_hears_everything_once_whatever_happens_to_an_answer(
    twin: Twin, hasty_slack: slack.Slack, kind: str
):
    await twin.fault("slack", "chat.postMessage", kind, seconds=1)
    receipt = await tell_until_it_is_told(hasty_slack, opened(), None)
    await twin.fault("slack", "chat.update", kind, seconds=1)
    await twin.fault("slack", "chat.postMessage", kind, seconds=1)
    await tell_until_it_is_told(hasty_slack, exhausted(), receipt)

    assert len(await twin.messages()) == 2


@pytest.mark.parametrize("kind", [*LOST, *NOT_DONE])
async def test_jira_hears_everything_once_whatever_happens_to_an_answer(twin: Twin, hasty_jira: jira.Jira, kind: str):
    await twin.fault("jira", "createIssue", kind, seconds=1)
    receipt = await tell_until_it_is_told(hasty_jira, opened(), None)
    for operation in ("getTransitions", "transition", "getIssue", "addComment"):
        await twin.fault("jira", operation, kind, seconds=1)
    await tell_until_it_is_told(hasty_jira, succeeded(), receipt)

    (issue,) = await twin.issues()
    assert issue["status"] == "Done"
    assert len(issue["comments"]) == 1


async def test_no_sdk_posts_a_second_time_on_its_own(twin: Twin, notifier: Notifier):
    for operation in ("chat.postMessage", "createIssue"):
        await twin.fault("slack" if "." in operation else "jira", operation, "drop_after")
    with pytest.raises(NoAnswer):
        await notifier.tell(opened(), None)

    assert len([*await twin.messages(), *await twin.issues()]) == 1


async def tell(notifier: Notifier, story: tuple[News, ...]) -> None:
    receipt: Receipt | None = None
    for news in story:
        receipt = await notifier.tell(news, receipt)


async def tell_until_it_is_told(notifier: Notifier, news: News, receipt: Receipt | None) -> Receipt | None:
    """As the flows do it: again after a passing error, and then with a look first."""
    for _ in range(8):
        try:
            return await notifier.tell(news, receipt)
        except OutsideError as error:
            if not error.transient:
                raise
            news = repeated(news)
    raise AssertionError("it was never told")
