"""What a playbook is told beside the run, as bootstrap ties it together."""

from typing import Any

import pytest

from pipemend import bootstrap
from pipemend.clients.http import Http
from pipemend.core.attempt import Wait
from pipemend.core.clock import WallClock
from pipemend.core.playbook import PipelineRule, Playbooks
from pipemend.settings import ACTIONS
from tests.clients.attempts import attempt
from tests.clients.vendor import http, vendor
from tests.platforms.adf import RESOURCE, settings_for
from tests.twin.stage import Stage


async def test_the_playbook_that_checks_upstream_is_told_what_that_is():
    books = Playbooks(pipelines=(PipelineRule(match="adf-twin/*", upstream=("adf-twin/raw",)),))
    pool = Http()
    async with vendor(http(202)) as outside:
        settings = settings_for("http://127.0.0.1:1", **{ACTIONS["check_upstream"]: outside.url})
        how = bootstrap.playbooks(settings, WallClock(), pool, "secret")
        platforms = bootstrap.platforms(settings, WallClock(), how, books, pool)
        remedy: Any = platforms["data_factory"].remedies["check_upstream"]
        await remedy.advance(attempt(resource_name="adf-twin"), remedy.first)
        for platform in platforms.values():
            await platform.close()
    await pool.close()

    assert b'"upstream":["adf-twin/raw"]' in outside.requests[0]


async def test_a_blob_upstream_is_looked_for_with_the_identity_of_each_kind_of_connection(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{stage.base_url}/identity/token")
    monkeypatch.setenv("IDENTITY_HEADER", "twin-identity")
    blob = (await stage.put("storage/landing/today.csv"))["url"]
    books = Playbooks(pipelines=(PipelineRule(upstream=(blob,)),))
    bricks = {"DATABRICKS_HOST": stage.base_url, "DATABRICKS_TOKEN": "dapi-twin-dbx-twin"}
    settings, pool = settings_for(stage.base_url, **bricks), Http()
    how = bootstrap.playbooks(settings, WallClock(), pool, "secret")
    platforms = bootstrap.platforms(settings, WallClock(), how, books, pool)
    places = {"data_factory": RESOURCE, "databricks": stage.base_url.removeprefix("http://")}
    for name, place in places.items():
        remedy = platforms[name].remedies["check_upstream"]
        found = await remedy.advance(attempt(platform=name, resource=place), remedy.first)
        assert found == Wait(0, "rerun", f"{blob} upstream of it is there")
    for platform in platforms.values():
        await platform.close()
    await pool.close()
