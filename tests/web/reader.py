"""Somebody before the dashboard, in a real browser."""

import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from pipemend.core.events import RemediationStarted, StatusChanged
from pipemend.core.ticket import Ticket
from pipemend.store import access, events, tickets
from tests.web.serving import serving
from tests.web.world import World

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
AXE = Path(__file__).parents[2] / "node_modules/axe-core/axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


@dataclass
class Reader:
    """Somebody before the dashboard. What the page logs, breaks or asks of others ends up in `said`."""

    world: World
    address: str
    browser: Browser
    said: list[str]

    @asynccontextmanager
    async def page(self, role: str | None = "operator", **options: object) -> AsyncIterator[Page]:
        context = await self.browser.new_context(**{"viewport": {"width": 1280, "height": 860}, **options})  # type: ignore[arg-type]
        if role:
            await self.sign_in(context, role)
        page = await context.new_page()
        page.set_default_timeout(5000)
        page.on("console", lambda m: self.said.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("request", lambda r: self.said.append(f"left: {r.url}") if self.address not in r.url else None)
        yield page
        await context.close()

    async def sign_in(self, context: BrowserContext, role: str) -> None:
        if not any(row.name == role for row in await self.world.database.read(access.tokens)):
            await self.world.token(role)
        value = await self.world.database.write(lambda db: access.sign_in(db, role, self.world.clock.now()))
        await context.add_cookies([{"name": "pipemend", "value": value, "url": self.address}])

    async def changes(self, ticket: Ticket, event: StatusChanged | RemediationStarted, **columns: object) -> None:
        """Moves a ticket and saves why, in one unit."""

        def unit(db: object) -> None:
            tickets.move(db, tickets.get(db, ticket.id), **columns)  # type: ignore[arg-type]
            events.record(db, event, self.world.clock.now(), ())  # type: ignore[arg-type]

        await self.world.database.write(unit)


async def findings(page: Page) -> Sequence[str]:
    """What axe finds on the page: rule and place."""
    await page.evaluate(AXE.read_text())
    told = await page.evaluate("(rules) => axe.run(document, {runOnly: rules})", RULES)
    return [f"{found['id']}: {node['target']}" for found in told["violations"] for node in found["nodes"]]


@asynccontextmanager
async def reading(world: World) -> AsyncIterator[Reader]:
    """A reader of this installation, who must have nothing to complain about at the end."""
    world.clock.moment = datetime.now(UTC)
    async with serving(world.app) as address, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        made = Reader(world, f"http://{address}", browser, [])
        yield made
        await browser.close()
    assert made.said == []
