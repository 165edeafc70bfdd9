"""What a playbook is told beside the run, as bootstrap ties it together."""

from typing import Any

from pipemend import bootstrap
from pipemend.clients.http import Http
from pipemend.core.clock import WallClock
from pipemend.core.playbook import PipelineRule, Playbooks
from pipemend.settings import ACTIONS
from tests.clients.attempts import attempt
from tests.clients.vendor import http, vendor
from tests.platforms.adf import settings_for


async def test_the_playbook_that_checks_upstream_is_told_what_that_is():
    books = Playbooks(pipelines=(PipelineRule(match="adf-twin/*", upstream=("adf-twin/raw",)),))
    pool = Http()
    async with vendor(http(202)) as outside:
        settings = settings_for("http://127.0.0.1:1", **{ACTIONS["check_upstream"]: outside.url})
        how = bootstrap.playbooks(settings, WallClock(), pool, "secret")
        platforms = bootstrap.platforms(settings, WallClock(), how, books)
        remedy: Any = platforms["data_factory"].remedies["check_upstream"]
        await remedy.advance(attempt(resource_name="adf-twin"), remedy.first)
        for platform in platforms.values():
            await platform.close()
    await pool.close()

    assert b'"upstream":["adf-twin/raw"]' in outside.requests[0]
