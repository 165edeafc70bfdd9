"""A Pipemend whose Slack is the twin's: people read messages there, and press what is below them."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from pipemend.flows.presses import Presses
from pipemend.notifiers.slack import Slack, build
from pipemend.settings import Settings
from pipemend.store.database import Database
from pipemend.twin import running
from pipemend.web.app import create_app
from tests.notifiers.serving import serving
from tests.notifiers.tiny_slack import as_read
from tests.world import World

CHANNEL = "C0ALERTS01"
ROSA, KIM, LU = "U0ROSA0001", "U0KIM00002", "U0LU000003"
GROUP = "S0ONCALL01"
PATIENCE = 20.0


@dataclass
class Office:
    world: World
    slack: Slack
    twin: httpx.AsyncClient

    async def messages(self) -> list[dict[str, Any]]:
        return list((await self.twin.get("/twin/slack/messages")).json()["messages"])

    async def thread(self) -> list[str]:
        """What a person reads, message by message."""
        return [as_read(message["blocks"]) for message in await self.messages()]

    async def buttons(self) -> list[str]:
        """What can be pressed below the first message."""
        first = (await self.messages())[0]
        found = [element for block in first["blocks"] for element in block.get("elements", ())]
        return [one["text"]["text"] for one in found if one.get("type") == "button" and "url" not in one]

    async def press(self, button: str, user: str = ROSA, name: str = "rosa", **more: Any) -> dict[str, Any]:
        """Presses, and waits until Slack has made up its mind about it; then everything happens that follows."""
        answer = await self.twin.post("/twin/slack/press", json={"button": button, "user": user, "name": name, **more})
        return await self._settled(answer)

    async def press_again(self, n: int, **more: Any) -> dict[str, Any]:
        return await self._settled(await self.twin.post(f"/twin/slack/presses/{n}/again", json=more))

    async def _settled(self, answer: httpx.Response) -> dict[str, Any]:
        n = answer.raise_for_status().json()["n"]
        press = await self.until(lambda told: told["presses"][n - 1]["done"] is not None)
        await self.world.settle()
        return dict(press["presses"][n - 1])

    async def presses(self) -> list[dict[str, Any]]:
        return list((await self.twin.get("/twin/slack/presses")).json()["presses"])

    async def told(self, n: int = 1) -> str:
        """What the person who pressed reads alone."""
        told = await self.until(lambda told: told["presses"][n - 1]["answers"])
        return str(told["presses"][n - 1]["answers"][-1]["text"])

    async def until(self, holds: Callable[[Any], Any]) -> Any:
        """Looks at the twin's presses until something holds."""
        deadline = time.monotonic() + PATIENCE
        while True:
            found = (await self.twin.get("/twin/slack/presses")).json()
            if holds(found):
                return found
            assert time.monotonic() < deadline, json.dumps(found)[:2000]
            await asyncio.sleep(0.02)


@asynccontextmanager
async def office(database: Database, **settings: str) -> AsyncIterator[Office]:
    """With `SLACK_APP_TOKEN` people's presses come over a socket, else through our door."""
    async with running() as base, httpx.AsyncClient(base_url=base, trust_env=False) as twin:
        ours = settings_of(base, **settings)
        slack = build(ours)
        assert slack
        world = World(database, notifiers={"slack": slack})
        await world.begin()
        async with serving(create_app(world.services, ours)) as door:
            listening = asyncio.create_task(slack.listen(Presses(world.services).take))
            url = f"{door}/slack/interactions"
            groups = {GROUP: [KIM]}
            answer = await twin.put("/twin/slack", json={"interactions_url": url, "groups": groups})
            answer.raise_for_status()
            try:
                yield Office(world, slack, twin)
            finally:
                listening.cancel()
                await asyncio.gather(listening, return_exceptions=True)
                await slack.close()


def settings_of(twin: str, **more: str) -> Settings:
    given = {
        "ALLOWED_HOSTS": "127.0.0.1",
        "SLACK_BOT_TOKEN": "xoxb-twin",
        "SLACK_ALERT_CHANNEL": CHANNEL,
        "SLACK_API_URL": f"{twin}/slack/api/",
        "SLACK_OPERATORS": f"{ROSA}, {GROUP}",
        **more,
    }
    if "SLACK_APP_TOKEN" not in given:
        given["SLACK_SIGNING_SECRET"] = "twin-signing-secret"
    return Settings.of(given)
