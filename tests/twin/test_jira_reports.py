"""The webhook of the twin's Jira: what it reports, signed, in the shape that was captured."""

import hashlib
import hmac
import json

from tests.twin.door import Door, standing
from tests.twin.stage import Stage, keys, sample
from tests.twin.test_jira import ask, created, document, move

SECRET = "of both"


async def told(stage: Stage, door: Door, count: int) -> list[str]:
    async def came() -> list[str]:
        return [body["webhookEvent"] for body in door.came]

    return list(await stage.until(lambda events: len(events) >= count, came, seconds=30))


async def test_every_change_is_reported_and_signed_our_own_too(stage: Stage):
    async with standing() as door:
        await stage.put("jira/webhook", url=door.url, secret=SECRET)
        key = await created(stage)
        await move(stage, key, "41")
        await ask(stage, "POST", f"issue/{key}/comment", {"body": document("Healed")})
        await stage.post(f"jira/issues/{key}/change", by="Rosa Lindt", status="To Do", assignee="Max Orth")

        assert sorted(await told(stage, door, 4)) == sorted(
            ["jira:issue_created", "jira:issue_updated", "comment_created", "jira:issue_updated"]
        )
        by = {body["user"]["displayName"]: body for body in door.came if body["webhookEvent"] == "jira:issue_updated"}
        assert [item["field"] for item in by["Twin"]["changelog"]["items"]] == ["resolution", "status"]
        moved = {item["field"]: item["toString"] for item in by["Rosa Lindt"]["changelog"]["items"]}
        assert moved == {"resolution": None, "status": "To Do", "assignee": "Max Orth"}
        assert keys(sample("jira-webhook-issue-updated-resolved.json")["changelog"]) <= keys(by["Twin"]["changelog"])
        for headers, raw in zip(door.headers, door.raw, strict=True):
            want = hmac.new(SECRET.encode(), raw, hashlib.sha256).hexdigest()
            assert headers["x-hub-signature"] == f"sha256={want}"
            assert json.loads(raw)["timestamp"]


async def test_reports_come_as_often_and_in_the_order_that_is_asked_for(stage: Stage):
    async with standing() as door:
        await stage.put("jira/webhook", url=door.url, copies=2, holds=True)
        key = await created(stage)
        await stage.post(f"jira/issues/{key}/change", by="Rosa Lindt", status="Done")
        assert door.came == []
        assert await stage.post("jira/reports/release", newest_first=True) == {"released": 4}

        events = await told(stage, door, 4)
        assert events == ["jira:issue_updated"] * 2 + ["jira:issue_created"] * 2
        assert len({headers["x-atlassian-webhook-identifier"] for headers in door.headers}) == 2
        await stage.post("jira/reports/1/again")
        await told(stage, door, 5)
        assert door.headers[4]["x-atlassian-webhook-identifier"] == door.headers[2]["x-atlassian-webhook-identifier"]


async def test_what_is_no_change_and_nobody_is_told_nothing(stage: Stage):
    async with standing() as door:
        key = await created(stage)
        await stage.put("jira/webhook", url=door.url)
        await stage.post(f"jira/issues/{key}/change", by="Rosa Lindt", status="To Do")
        assert (await stage.get("jira/reports"))["reports"] == []
