"""The pages that tell what may be done: pipelines with their past, and the playbooks in force."""

from datetime import timedelta
from pathlib import Path

from pipemend import playbooks
from pipemend.core.commands import Pause
from pipemend.core.playbook import PipelineRule, Playbooks
from pipemend.core.ticket import RemediationStatus, Status
from pipemend.flows.commands import carry_out
from tests.web.test_pages import words_of
from tests.web.world import FACTORY, World

HEALED = {"status": Status.ACKNOWLEDGED, "remediation_status": RemediationStatus.SUCCEEDED}


async def fails(world: World, pipeline: str, hours: float, **more: object) -> None:
    at = world.clock.now() - timedelta(hours=hours)
    await world.ticket(pipeline, run_id=f"{pipeline}-{hours}", timestamp=at, **more)


async def shown(world: World, *paths: str) -> list[str]:
    async with await world.browser("viewer") as client:
        answers = [await client.get(path) for path in paths]
    assert {answer.status_code for answer in answers} == {200}
    return [answer.text for answer in answers]


async def test_pipelines_stand_with_their_past_the_last_that_failed_first(world: World):
    await fails(world, "calm", 50, **HEALED)
    await fails(world, "calm", 40, **HEALED)
    await fails(world, "busy", 2)
    await fails(world, "ancient", 24 * 40)

    page, found = await shown(world, "/dashboard/pipelines", "/dashboard/pipelines?q=BUSY")
    words = words_of(page)

    assert words.index("busy") < words.index("calm")
    assert "ancient" not in words
    assert page.count('<a class="healed"') == 2
    assert "calm" not in words_of(found)


async def test_it_says_what_may_be_done_to_each(small_world: World):
    rules = (PipelineRule(match="*/asks", rerun="ask", team="finance"), PipelineRule(match="*/billing", rerun="never"))
    small_world.services.playbooks = Playbooks(pipelines=rules)
    for hours, pipeline in enumerate(("other", "asks", "billing", "held")):
        await fails(small_world, pipeline, hours + 1)
    await carry_out(small_world.services, Pause(pipeline=f"{FACTORY.name}/held", by="rosa", reason="", until=None))

    (page,) = await shown(small_world, "/dashboard/pipelines")
    words = words_of(page)

    assert "after a yes */asks finance" in words
    assert "never */billing" in words
    assert "by itself" in words
    assert "paused" in words


async def test_the_playbooks_say_where_each_value_comes_from(small_world: World, tmp_path: Path):
    own = tmp_path / "own.toml"
    own.write_text('[GatewayTimeout]\nmax_retries = 7\n\n[NotebookError]\naction = "retry_job"\n')
    small_world.services.playbooks = playbooks.load(own, 4)

    (page,) = await shown(small_world, "/dashboard/playbooks")
    words = words_of(page)

    assert "7 yours" in words
    assert "4 setting" in words
    assert "nobody: no connection can do this" in words
    assert "The first that fits holds." in words
