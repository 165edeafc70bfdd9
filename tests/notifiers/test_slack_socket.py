"""The line to Slack: what keeps it from being opened is named, without a secret, and tried again."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx
import pytest

from pipemend.core.alert import Press
from pipemend.notifiers.slack import build
from pipemend.notifiers.slack.notifier import _may_call
from pipemend.settings import Settings
from pipemend.twin import running
from tests.notifiers.office import settings_of

TROUBLES: dict[str, tuple[dict[str, str], dict[str, Any], str]] = {
    "a wrong token": ({"SLACK_APP_TOKEN": "xapp-wrong"}, {}, "SLACK_APP_TOKEN is not valid"),
    "Slack is away": ({}, {"kind": "status", "status": 503}, "Slack failed at apps.connections.open"),
    "a page of a proxy": ({}, {"kind": "html"}, "makes no sense"),
    "an address elsewhere": ({}, {"kind": "fields_missing", "fields": ["url"]}, "named no address"),
}


async def take(_: str, presses: Sequence[Press]) -> bool:
    return True


@asynccontextmanager
async def listening(base: str, **settings: str) -> AsyncIterator[None]:
    built = build(settings_of(base, **{"SLACK_APP_TOKEN": "xapp-twin", **settings}))
    assert built
    work = asyncio.create_task(built.listen(take))
    try:
        yield
    finally:
        work.cancel()
        with suppress(asyncio.CancelledError):
            await work
        await built.close()


@pytest.mark.parametrize(("settings", "fault", "words"), TROUBLES.values(), ids=list(TROUBLES))
async def test_what_keeps_it_closed_is_named(
    caplog: pytest.LogCaptureFixture, settings: dict[str, str], fault: dict[str, Any], words: str
) -> None:
    caplog.set_level(logging.WARNING)
    async with running() as base, httpx.AsyncClient(base_url=base, trust_env=False) as twin:
        if fault:
            match = {"service": "slack", "operation": "apps.connections.open"}
            (await twin.post("/twin/faults", json={"match": match, "times": -1, **fault})).raise_for_status()
        async with listening(base, **settings):
            said: list[str] = []
            for _ in range(400):
                said = [getattr(record, "why", "") for record in caplog.records]
                if any(words in why for why in said):
                    break
                await asyncio.sleep(0.05)
    assert any(words in why for why in said), said
    assert not any("ticket=" in str(record.__dict__) or "xapp-" in str(record.__dict__) for record in caplog.records)


@pytest.mark.parametrize(
    ("address", "may"),
    [
        ("wss://wss-primary.slack.com/link/?ticket=1", True),
        ("wss://slack.com.example.org/link", False),
        ("ws://wss-primary.slack.com/link", False),
        ("https://hooks.slack.com/actions/1", True),
        ("http://hooks.slack.com/actions/1", False),
        ("ws://127.0.0.1:1/", False),
        ("wss://169.254.169.254/", False),
        ("file:///etc/passwd", False),
        ("", False),
    ],
)
def test_slack_may_name_what_it_likes_only_hosts_that_may_be_called_are(address: str, may: bool) -> None:
    assert _may_call(Settings.of({}), address) is may
