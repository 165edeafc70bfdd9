"""What Resource Manager checks before anything else, and the details of its queries."""

import pytest

from tests.twin.stage import ALWAYS, GROUP, PLACE, SUBSCRIPTION, Stage, keys, sample

VERSION = {"api-version": "2018-06-01"}


async def test_nobody_is_let_in_without_a_good_token(stage: Stage):
    other = await stage.token("https://vault.azure.net")

    missing = await stage.http.get(PLACE, params=VERSION)
    strange = await stage.http.get(PLACE, params=VERSION, headers={"Authorization": "Bearer abc.def.ghi"})
    misplaced = await stage.http.get(PLACE, params=VERSION, headers=other)
    await stage.put("identity", expires_in=-1)
    expired = await stage.http.get(PLACE, params=VERSION, headers=await stage.token())

    codes = [answer.json()["error"]["code"] for answer in (missing, strange, misplaced, expired)]
    assert {answer.status_code for answer in (missing, strange, misplaced, expired)} == {401}
    assert codes == [
        "AuthenticationFailed",
        "InvalidAuthenticationToken",
        "InvalidAuthenticationTokenAudience",
        "ExpiredAuthenticationToken",
    ]
    assert "invalid_token" in missing.headers["www-authenticate"]


async def test_the_version_is_checked(stage: Stage):
    missing = await stage.http.get(PLACE)
    wrong = await stage.http.get(PLACE, params={"api-version": "2031-01-01"})

    assert missing.json()["error"]["code"] == "MissingApiVersionParameter"
    assert wrong.json()["error"]["code"] == "InvalidResourceType"


async def test_answers_carry_the_headers_of_resource_manager(stage: Stage):
    read = await stage.arm("GET", "")
    await stage.pipeline("nightly", "Succeeded")
    written = await stage.arm("POST", "/pipelines/nightly/createRun")

    assert int(read.headers["x-ms-ratelimit-remaining-subscription-reads"]) > 0
    assert int(written.headers["x-ms-ratelimit-remaining-subscription-writes"]) > 0
    assert read.headers["x-ms-request-id"] != written.headers["x-ms-request-id"]


@pytest.mark.parametrize(
    ("operand", "operator", "values", "found"),
    [
        ("PipelineName", "Equals", ["NIGHTLY"], ["nightly"]),
        ("PipelineName", "NotEquals", ["nightly"], ["weekly"]),
        ("PipelineName", "In", ["nightly", "weekly"], ["nightly", "weekly"]),
        ("PipelineName", "NotIn", ["nightly", "weekly"], []),
        ("Status", "Equals", ["Failed"], ["weekly"]),
        ("Status", "In", ["Succeeded", "Cancelled"], ["nightly"]),
        ("LatestOnly", "Equals", ["true"], ["nightly", "weekly"]),
    ],
)
async def test_queries_filter(stage: Stage, operand, operator, values, found):
    await stage.pipeline("nightly", "Succeeded")
    await stage.pipeline("weekly", "LoginFailed")
    for name in ("nightly", "weekly"):
        await stage.ended(await stage.trigger(name))

    query = {**ALWAYS, "filters": [{"operand": operand, "operator": operator, "values": values}]}
    runs = (await stage.arm("POST", "/queryPipelineRuns", query)).json()["value"]

    assert sorted(run["pipelineName"] for run in runs) == found


async def test_a_run_is_found_by_its_start(stage: Stage):
    await stage.pipeline("nightly", "Succeeded")
    start = (await stage.ended(await stage.trigger("nightly")))["runStart"]

    query = {**ALWAYS, "filters": [{"operand": "RunStart", "operator": "Equals", "values": [start]}]}

    assert len((await stage.arm("POST", "/queryPipelineRuns", query)).json()["value"]) == 1


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"lastUpdatedAfter": "yesterday", "lastUpdatedBefore": "today"},
        {**ALWAYS, "filters": [{"operand": "Colour", "operator": "Equals", "values": ["red"]}]},
        {**ALWAYS, "filters": [{"operand": "Status", "operator": "Like", "values": ["F%"]}]},
        {**ALWAYS, "filters": [{"operand": "RunEnd", "operator": "Equals", "values": ["soon"]}]},
        {**ALWAYS, "continuationToken": "%%%"},
    ],
)
async def test_queries_that_cannot_be_read_are_refused(stage: Stage, query):
    answer = await stage.arm("POST", "/queryPipelineRuns", query)

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "BadRequest")


async def test_the_window_is_kept(stage: Stage):
    await stage.pipeline("nightly", "Succeeded")
    await stage.ended(await stage.trigger("nightly"))

    old = {"lastUpdatedAfter": "2000-01-01T00:00:00Z", "lastUpdatedBefore": "2001-01-01T00:00:00Z"}

    assert (await stage.arm("POST", "/queryPipelineRuns", old)).json() == {"value": []}


async def test_a_new_run_may_not_be_found_at_once(stage: Stage):
    await stage.put("data-factory", found_after=1.0)
    await stage.pipeline("nightly", "Succeeded")
    run_id = await stage.trigger("nightly")

    async def read():
        return (await stage.arm("GET", f"/pipelineruns/{run_id}")).status_code

    assert await read() == 404
    assert await stage.until(lambda status: status == 200, read)


async def test_runs_look_like_those_that_were_published(stage: Stage):
    await stage.pipeline("nightly", "Succeeded")
    run_id = await stage.trigger("nightly", by="manual", parameters={"files": ["a.csv"]})
    await stage.ended(run_id)

    one = (await stage.arm("GET", f"/pipelineruns/{run_id}")).json()
    many = (await stage.arm("POST", "/queryPipelineRuns", ALWAYS)).json()
    activities = (await stage.arm("POST", f"/pipelineruns/{run_id}/queryActivityruns", ALWAYS)).json()

    published = sample("adf-pipelinerun-get-succeeded.json")["response"]["body"]
    assert keys({**published, "parameters": {}}) <= keys(one)
    assert one["parameters"] == {"files": '["a.csv"]'}
    assert len(one["runStart"].rpartition(".")[2]) == len("1234567Z")
    query_sample = sample("adf-querypipelineruns.json")["response"]["body"]
    assert {key for key in keys(query_sample) if "Dimension." not in key and "parameters." not in key} <= keys(many)
    shown = {key for key in keys(activities) if ".output" not in key and ".input" not in key}
    wanted = keys(sample("adf-queryactivityruns.json")["response"]["body"])
    assert {key for key in wanted if ".output" not in key and ".input" not in key} <= shown


@pytest.mark.parametrize(
    "name", ["adf-activity-error-copy-2200-sql.json", "adf-activity-error-lookup-pathnotfound.json"]
)
async def test_errors_look_like_those_that_were_published(stage: Stage, name):
    published = sample(name)
    error = {"errorCode": published["errorCode"], "message": published["message"], "target": published["target"]}
    await stage.pipeline("nightly", {"status": "Failed", "error": {**error, "failureType": "UserError"}})
    run_id = await stage.trigger("nightly")
    await stage.ended(run_id)

    activities = (await stage.arm("POST", f"/pipelineruns/{run_id}/queryActivityruns", ALWAYS)).json()["value"]

    assert {**activities[0]["error"], "details": None} == {**published, "details": None}


async def test_who_started_a_run_is_told(stage: Stage):
    await stage.pipeline("nightly", "Succeeded")
    kinds = {}
    for by in ("schedule", "manual", "tumbling", "sandbox"):
        kinds[by] = (await stage.run(await stage.trigger("nightly", by=by)))["invokedBy"]["invokedByType"]

    assert kinds == {
        "schedule": "ScheduleTrigger",
        "manual": "Manual",
        "tumbling": "TumblingWindowTrigger",
        "sandbox": "Sandbox",
    }


async def test_the_request_that_made_a_run_is_known(stage: Stage):
    await stage.pipeline("nightly", "Succeeded")
    headers = {**await stage.token(), "x-ms-client-request-id": "ticket-1"}
    path = f"{PLACE}/pipelines/nightly/createRun"
    run_id = (await stage.http.post(path, params=VERSION, headers=headers)).json()["runId"]

    run = await stage.run(run_id)

    assert (run["askedBy"], run["requestId"]) == ("createRun", "ticket-1")


async def test_a_run_can_be_finished_by_hand_with_any_word(stage: Stage):
    await stage.pipeline("hangs", "InProgress")
    run_id = await stage.trigger("hangs")

    await stage.post(f"runs/{run_id}/finish", status="Reticulating")

    assert (await stage.arm("GET", f"/pipelineruns/{run_id}")).json()["status"] == "Reticulating"


async def test_a_factory_lies_where_it_is_first_looked_for(stage: Stage):
    headers = await stage.token()

    async def look(subscription: str, group: str) -> int:
        path = PLACE.replace(SUBSCRIPTION, subscription).replace(GROUP, group)
        return (await stage.http.get(path, params=VERSION, headers=headers)).status_code

    assert [await look(*place) for place in (("s-1", "rg-1"), ("s-1", "RG-1"), ("s-2", "rg-1"))] == [200, 200, 404]
    assert (await stage.get(""))["settings"]["AZURE_RESOURCE_GROUP"] == "rg-1"
    await stage.put("data-factory", subscription="s-2", resource_group="rg-2")
    assert [await look("s-1", "rg-1"), await look("s-2", "rg-2")] == [404, 200]
