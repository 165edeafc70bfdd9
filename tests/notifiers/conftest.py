"""Slack and Jira as they are built from settings, each with a small vendor of our own at the other end."""

from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from pipemend.clients.http import Http
from pipemend.notifiers.jira import Jira
from pipemend.notifiers.jira.api import Account
from pipemend.notifiers.jira.api import Api as JiraApi
from pipemend.notifiers.slack import Slack
from pipemend.notifiers.slack.api import Api as SlackApi
from tests.notifiers import tiny_jira, tiny_slack
from tests.notifiers.serving import serving
from tests.notifiers.tiny_jira import TinyJira
from tests.notifiers.tiny_slack import TinySlack

DEADLINE = 1.0  # seconds; nothing here answers that slowly unless it is told to


@pytest.fixture
def slack_vendor() -> TinySlack:
    return TinySlack()


@pytest.fixture
async def slack(slack_vendor: TinySlack) -> AsyncIterator[Slack]:
    async with serving(slack_vendor.app) as base:
        told = Slack(SlackApi(SecretStr(tiny_slack.TOKEN), f"{base}/slack/api/", DEADLINE), tiny_slack.CHANNEL)
        yield told
        await told.close()


@pytest.fixture
def jira_vendor() -> TinyJira:
    return TinyJira()


@pytest.fixture
def naps() -> list[float]:
    """The seconds that Jira has waited for its search."""
    return []


@pytest.fixture
async def jira(jira_vendor: TinyJira, naps: list[float]) -> AsyncIterator[Jira]:
    async def nap(seconds: float) -> None:
        naps.append(seconds)
        jira_vendor.search_sees = True

    async with serving(jira_vendor.app) as base:
        account = Account(tiny_jira.EMAIL, SecretStr(tiny_jira.TOKEN))
        told = Jira(JiraApi(Http(), base, account, DEADLINE), "OPS", nap)
        yield told
        await told.close()
