"""Jira, asked as the product asks it."""

import asyncio
from typing import Any

import httpx
import pytest

from tests.twin.stage import Stage, keys, sample

AUTH = ("twin@example.com", "twin-jira-token")


def document(*paragraphs: str) -> dict[str, Any]:
    content = [{"type": "paragraph", "content": [{"type": "text", "text": text}]} for text in paragraphs]
    return {"type": "doc", "version": 1, "content": content}


async def ask(stage: Stage, method: str, path: str, body: Any = None, **params: str) -> httpx.Response:
    return await stage.http.request(method, f"/rest/api/3/{path}", json=body, params=params, auth=AUTH)


async def create(stage: Stage, **fields: Any) -> httpx.Response:
    usual = {"project": {"key": "OPS"}, "issuetype": {"name": "Task"}, "summary": "nightly failed"}
    return await ask(stage, "POST", "issue", {"fields": {**usual, **fields}})


async def created(stage: Stage, **fields: Any) -> str:
    return str((await create(stage, **fields)).json()["key"])


async def search(stage: Stage, jql: str, **more: Any) -> list[str]:
    answer = await ask(stage, "POST", "search/jql", {"jql": jql, "fields": ["status"], **more})
    return [issue["key"] for issue in answer.json()["issues"]]


async def transitions(stage: Stage, key: str) -> dict[str, str]:
    found = (await ask(stage, "GET", f"issue/{key}/transitions")).json()["transitions"]
    return {one["id"]: f"{one['name']} -> {one['to']['name']}" for one in found}


async def move(stage: Stage, key: str, transition: str, **more: Any) -> httpx.Response:
    return await ask(stage, "POST", f"issue/{key}/transitions", {"transition": {"id": transition}, **more})


async def test_an_issue_is_made_read_and_commented(stage: Stage):
    answer = await create(stage, description=document("It broke."), labels=["pipemend", "ADF-1"])
    key = answer.json()["key"]
    comment = await ask(stage, "POST", f"issue/{key}/comment", {"body": document("Attempt 1", "runs")})

    issue = (await ask(stage, "GET", f"issue/{key}", fields="status,comment,labels")).json()
    kept = (await stage.get("jira/issues"))["issues"]
    assert (answer.status_code, set(answer.json()), comment.status_code) == (201, {"id", "key", "self"}, 201)
    assert set(issue["fields"]) == {"status", "comment", "labels"}
    assert issue["fields"]["status"]["statusCategory"]["key"] == "new"
    assert issue["fields"]["comment"]["comments"][0]["body"] == document("Attempt 1", "runs")
    assert (kept[0]["description"], kept[0]["comments"], kept[0]["status"]) == (
        "It broke.",
        ["Attempt 1\nruns"],
        "To Do",
    )


async def test_documents_that_were_captured_are_taken(stage: Stage):
    fields = {**sample("prototype/captured_jira_create_issue.json")["fields"], "project": {"key": "OPS"}}
    key = await created(stage, **fields)

    comment = await ask(stage, "POST", f"issue/{key}/comment", sample("prototype/captured_jira_success_comment.json"))

    assert comment.status_code == 201


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"summary": "x" * 256}, "summary"),
        ({"summary": "two\nlines"}, "summary"),
        ({"summary": ""}, "summary"),
        ({"project": {"key": "no"}}, "project"),
        ({"issuetype": {"name": "Riddle"}}, "issuetype"),
        ({"labels": ["two words"]}, "labels"),
        ({"description": "plain text"}, "description"),
        ({"description": {"type": "doc", "version": 2, "content": []}}, "description"),
        ({"description": document("")}, "description"),
        ({"description": document("x" * 32_768)}, "description"),
        ({"description": {"type": "doc", "version": 1, "content": [{"type": "text", "text": "x"}]}}, "description"),
        ({"description": {"type": "doc", "version": 1, "content": [{"type": "marquee"}]}}, "description"),
        ({"description": {"type": "doc", "version": 1, "content": [{"type": "panel", "content": []}]}}, "description"),
    ],
)
async def test_what_jira_would_refuse_is_refused(stage: Stage, fields, field):
    answer = await create(stage, **fields)

    assert (answer.status_code, set(answer.json()["errors"])) == (400, {field})
    assert answer.headers["x-twin-why"]


async def test_a_comment_with_an_empty_text_is_refused(stage: Stage):
    answer = await ask(stage, "POST", f"issue/{await created(stage)}/comment", {"body": document("")})

    assert (answer.status_code, answer.headers["x-twin-why"]) == (400, "an empty text")


async def test_the_names_of_transitions_lie(stage: Stage):
    key = await created(stage)
    at_first = await transitions(stage, key)
    await move(stage, key, "11")
    later = await transitions(stage, key)
    done = await move(stage, key, "41", update={"comment": [{"add": {"body": document("Healed")}}]})

    kept = (await stage.get("jira/issues"))["issues"][0]
    assert at_first == {"11": "Close Issue -> In Progress", "41": "QA Review -> Done"}
    assert later == {"21": "Resolve -> To Do", "41": "QA Review -> Done"}
    assert done.status_code == 204
    assert (kept["status"], kept["resolution"], kept["comments"]) == ("Done", "Done", ["Healed"])


async def test_the_way_to_done_may_be_long(stage: Stage):
    await stage.put("jira", direct=False)

    assert await transitions(stage, await created(stage)) == {"11": "Close Issue -> In Progress"}


async def test_a_screen_may_ask_for_a_resolution(stage: Stage):
    await stage.put("jira", resolution_screen=True)
    key = await created(stage)
    shown = await ask(stage, "GET", f"issue/{key}/transitions", expand="transitions.fields")

    without = await move(stage, key, "41")
    with_it = await move(stage, key, "41", fields={"resolution": {"name": "Fixed"}})

    asked = {one["id"]: one["fields"] for one in shown.json()["transitions"]}["41"]
    assert (asked["resolution"]["required"], without.status_code) == (True, 400)
    assert without.json()["errors"] == {"resolution": "Resolution is required."}
    assert with_it.status_code == 204


async def test_thirty_one_is_no_transition(stage: Stage):
    answer = await move(stage, await created(stage), "31")

    assert answer.json()["errorMessages"] == ["Transition id '31' is not valid for this issue."]


async def test_transitions_look_like_those_that_were_published(stage: Stage):
    key = await created(stage)

    shown = (await ask(stage, "GET", f"issue/{key}/transitions")).json()

    assert keys(sample("jira-transitions-custom-category.json")) <= keys(shown)


@pytest.mark.parametrize(
    ("jql", "found"),
    [
        ('labels = "ADF-1"', ["OPS-1"]),
        ("labels = adf-1", ["OPS-1"]),
        ('labels in ("ADF-1", ADF-2) ORDER BY created DESC', ["OPS-2", "OPS-1"]),
        ("key = OPS-2", ["OPS-2"]),
        ("project = OPS AND status = Done", ["OPS-2"]),
        ('statusCategory != Done and labels = "ADF-2"', []),
        ('summary ~ "weekly"', ["OPS-2"]),
        ("labels not in (ADF-1)", ["OPS-2"]),
    ],
)
async def test_issues_are_found(stage: Stage, jql, found):
    await created(stage, labels=["ADF-1"])
    await move(stage, await created(stage, labels=["ADF-2"], summary="weekly failed"), "41")

    assert await search(stage, jql) == found


@pytest.mark.parametrize(
    "jql", ["", "labels", "colour = red", "labels = a labels = b", "labels in a", "labels = a AND"]
)
async def test_a_query_that_makes_no_sense_is_refused(stage: Stage, jql):
    assert (await ask(stage, "POST", "search/jql", {"jql": jql})).status_code == 400


async def test_search_lags_behind(stage: Stage):
    await stage.put("jira", lag=0.3)
    await created(stage, labels=["ADF-1"])

    async def read():
        return await search(stage, "labels = ADF-1")

    assert await read() == []
    assert await stage.until(bool, read) == ["OPS-1"]


async def test_search_without_fields_gives_ids_alone_and_pages(stage: Stage):
    for _ in range(3):
        await created(stage, labels=["ADF-1"])

    first = (await ask(stage, "POST", "search/jql", {"jql": "labels = ADF-1", "maxResults": 2})).json()
    token = first["nextPageToken"]
    rest = (await ask(stage, "POST", "search/jql", {"jql": "labels = ADF-1", "nextPageToken": token})).json()

    assert [set(issue) for issue in first["issues"]] == [{"id"}, {"id"}]
    assert (first["isLast"], rest["isLast"], len(rest["issues"])) == (False, True, 1)


async def test_an_issue_is_edited_and_assigned(stage: Stage):
    key = await created(stage, labels=["a"], summary="before")
    labels = {"labels": [{"add": "b"}, {"remove": "a"}]}
    edited = await ask(stage, "PUT", f"issue/{key}", {"fields": {"summary": "after"}, "update": labels})
    account = (await ask(stage, "GET", "user/search", query="ann@example.com")).json()[0]["accountId"]

    assigned = await ask(stage, "PUT", f"issue/{key}/assignee", {"accountId": account})

    kept = (await stage.get("jira/issues"))["issues"][0]
    assert (edited.status_code, assigned.status_code) == (204, 204)
    assert (kept["summary"], kept["labels"], kept["assignee"]) == ("after", ["b"], account)


async def test_a_comment_is_edited(stage: Stage):
    key = await created(stage)
    comment = (await ask(stage, "POST", f"issue/{key}/comment", {"body": document("1 ticket")})).json()["id"]

    await ask(stage, "PUT", f"issue/{key}/comment/{comment}", {"body": document("2 tickets")})

    assert (await stage.get("jira/issues"))["issues"][0]["comments"] == ["2 tickets"]
    assert (await ask(stage, "GET", f"issue/{key}/comment")).json()["total"] == 1


async def test_nobody_gets_in_without_mail_and_token(stage: Stage):
    paths = ("/rest/api/3/myself", "/rest/api/3/issue/OPS-1")

    refused = await asyncio.gather(*(stage.http.get(path, auth=("twin@example.com", "wrong")) for path in paths))

    assert [answer.status_code for answer in refused] == [401, 401]
    assert (await stage.http.get(paths[0])).status_code == 401
    assert (await ask(stage, "GET", "myself")).json()["emailAddress"] == "twin@example.com"


async def test_what_is_gone_is_gone(stage: Stage):
    assert (await ask(stage, "GET", "search", jql="labels = a")).status_code == 410
    assert (await ask(stage, "GET", "issue/OPS-99")).status_code == 404
