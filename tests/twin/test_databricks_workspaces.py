"""Databricks workspaces: addresses, tokens, limits, faults and the log."""

import httpx
import pytest

from tests.twin.bricks import Bricks
from tests.twin.stage import Stage

AUDIENCE = "2ff814a6-3304-4ab8-85cb-cd0e6f879c1d"


@pytest.fixture
def bricks(stage: Stage) -> Bricks:
    return Bricks(stage)


async def workspace(stage: Stage, name: str, **settings: object) -> Bricks:
    made = await stage.put(f"databricks/{name}", **settings)
    return Bricks(stage, name, made["url"], f"dapi-twin-{name}")


async def test_five_workspaces_have_addresses_and_jobs_of_their_own(stage: Stage):
    places = [await workspace(stage, f"team-{n}") for n in range(5)]
    for place in places:
        await place.job("orders")
    run_ids = [await place.trigger("orders") for place in places]

    for place, run_id in zip(places, run_ids, strict=True):
        assert [run["run_id"] for run in (await place.read("jobs/runs/list"))["runs"]] == [run_id]
        run = await place.ended(run_id)
        assert run["run_page_url"].startswith(f"{place.url}/?o=")
    assert len({place.url for place in places}) == 5


async def test_the_first_workspace_answers_at_the_address_in_the_settings(bricks: Bricks):
    settings = (await bricks.stage.get(""))["settings"]
    here = Bricks(bricks.stage, url=settings["DATABRICKS_HOST"], token=settings["DATABRICKS_TOKEN"])

    assert await here.read("jobs/runs/list") == {"has_more": False}


async def test_a_reset_keeps_addresses_and_forgets_what_was_there(stage: Stage):
    before = await workspace(stage, "team-1")
    await stage.post("reset")
    gone = await before.ask("GET", "jobs/list")
    after = await workspace(stage, "team-1")

    assert gone.status_code == 404
    assert gone.json()["error_code"] == "ENDPOINT_NOT_FOUND"
    assert after.url == before.url


async def test_an_address_nobody_knows_is_refused_as_the_vendor_does(bricks: Bricks):
    found = [await bricks.stage.http.get(f"/api/{path}") for path in ("2.2/jobs/nothing", "2.9/jobs/list")]

    assert [answer.status_code for answer in found] == [404, 404]
    assert {answer.json()["error_code"] for answer in found} == {"ENDPOINT_NOT_FOUND"}


async def test_only_the_workspaces_own_tokens_are_let_in(stage: Stage, bricks: Bricks):
    other = await workspace(stage, "team-1")

    foreign = await other.ask("GET", "jobs/list", token=bricks.token)
    nothing = await stage.http.get("/api/2.2/jobs/list")

    assert (foreign.status_code, foreign.json()["error_code"]) == (403, "403")
    assert foreign.json()["message"].startswith("Invalid access token.")
    assert nothing.status_code == 401
    assert nothing.json()["message"].startswith("Credential was not sent")


async def test_an_entra_token_for_databricks_is_let_in_everywhere(stage: Stage, bricks: Bricks):
    right = (await stage.token(AUDIENCE))["Authorization"].removeprefix("Bearer ")
    wrong = (await stage.token())["Authorization"].removeprefix("Bearer ")

    assert (await bricks.ask("GET", "jobs/list", token=right)).status_code == 200
    assert (await bricks.ask("GET", "jobs/list", token=wrong)).status_code == 401
    await stage.put("identity", generation=1)
    assert (await bricks.ask("GET", "jobs/list", token=right)).status_code == 401
    await stage.put("databricks/dbx-twin", entra=False)
    assert (await bricks.ask("GET", "jobs/list", token=right)).status_code == 403
    await stage.put("databricks/dbx-twin", tokens=[])
    assert (await bricks.ask("GET", "jobs/list")).status_code == 403
    assert (await stage.get(""))["settings"]["DATABRICKS_TOKEN"] == ""


async def test_a_reader_may_look_and_not_act(bricks: Bricks):
    await bricks.stage.put("databricks/dbx-twin", readers=["dapi-reader"])
    job_id = await bricks.job("orders")

    assert (await bricks.ask("GET", "jobs/get", token="dapi-reader", job_id=job_id)).status_code == 200
    refused = await bricks.ask("POST", "jobs/run-now", token="dapi-reader", job_id=job_id)
    assert (refused.status_code, refused.json()["error_code"]) == (403, "PERMISSION_DENIED")


async def test_a_workspace_takes_so_many_requests_a_second(stage: Stage, bricks: Bricks):
    other = await workspace(stage, "team-1")
    await stage.put("databricks/dbx-twin", limits={"listJobs": 2}, retry_after=1.0)

    answers = [await bricks.ask("GET", "jobs/list") for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[-1].json()["error_code"] == "REQUEST_LIMIT_EXCEEDED"
    assert answers[-1].headers["retry-after"] == "1"
    assert (await bricks.ask("GET", "jobs/runs/list")).status_code == 200
    assert (await other.ask("GET", "jobs/list")).status_code == 200


async def test_a_limit_need_not_say_when_to_come_again(bricks: Bricks):
    await bricks.stage.put("databricks/dbx-twin", limits={"*": 1})

    answers = [await bricks.ask("GET", path) for path in ("jobs/list", "jobs/runs/list")]

    assert [answer.status_code for answer in answers] == [200, 429]
    assert "retry-after" not in answers[1].headers


async def test_a_fault_may_be_meant_for_one_workspace(stage: Stage, bricks: Bricks):
    other = await workspace(stage, "team-1")
    match = {"service": "databricks", "operation": "listRuns", "workspace": "team-1"}
    await stage.post("faults", match=match, kind="status", status=503, times=-1)

    assert (await bricks.ask("GET", "jobs/runs/list")).status_code == 200
    refused = await other.ask("GET", "jobs/runs/list")
    assert (refused.status_code, refused.json()["error_code"]) == (503, "TEMPORARILY_UNAVAILABLE")


async def test_a_start_may_be_done_though_its_answer_is_lost(bricks: Bricks):
    job_id = await bricks.job("orders")
    await bricks.stage.fault("databricks", "runNow", "drop_after")

    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        await bricks.ask("POST", "jobs/run-now", job_id=job_id, idempotency_token="ticket-1")
    again = await bricks.act("jobs/run-now", job_id=job_id, idempotency_token="ticket-1")

    runs = (await bricks.stage.get("databricks/dbx-twin/runs", job="orders"))["runs"]
    assert [run["run_id"] for run in runs] == [again["run_id"]]


async def test_states_may_be_words_nobody_knows(bricks: Bricks):
    run_id = (await bricks.failed("orders", "NotebookError"))["run_id"]
    await bricks.stage.fault("databricks", "getRun", "unknown_status")

    run = await bricks.run(run_id)

    assert run["state"]["life_cycle_state"] == run["status"]["state"] == "Reticulating"


async def test_requests_are_counted_by_workspace_and_starts_written_down(stage: Stage, bricks: Bricks):
    other = await workspace(stage, "team-1")
    for place in (bricks, other):
        await place.act("jobs/run-now", job_id=await place.job("orders"))

    logged = await stage.get("requests", service="databricks", operation="runNow", workspace="team-1")
    acts = (await stage.get("databricks/team-1/acts"))["acts"]

    assert len(logged["requests"]) == 1
    assert [(one["act"], one["by"], one["job"]) for one in acts] == [("runNow", "api", "orders")]
    assert acts[0]["requestId"] == logged["requests"][0]["id"]
    assert (await stage.get(""))["requests"]["databricks.dbx-twin.runNow"] == 1


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("databricks/dbx-twin", {"state_shape": "round"}),
        ("databricks/dbx-twin", {"limits": {"getRun": "many"}}),
        ("databricks/dbx-twin", {"colour": "red"}),
        ("databricks/dbx-twin/jobs/orders", {"outcome": "NotebookError"}),
        ("databricks/dbx-twin/jobs/orders", {"outcomes": ["Exploded"]}),
        ("databricks/dbx-twin/jobs/orders", {"outcomes": [{"code": "EXPLODED"}]}),
        ("databricks/dbx-twin/jobs/orders", {"needs": {"workers": "four"}}),
        ("databricks/dbx-twin/jobs/orders", {"tasks": []}),
        ("databricks/dbx-twin/jobs/orders", {"tasks": [{"key": "a", "depends_on": ["b"]}, {"key": "b"}]}),
        ("databricks/dbx-twin/jobs/orders", {"tell": {"on": ["on_rain"]}}),
        ("databricks/dbx-twin/clusters/shared", {"starts": ["EARTHQUAKE"]}),
        ("databricks/dbx-twin/clusters/shared", {"state": "RESTING"}),
        ("databricks/dbx-twin/clusters/shared", {"libraries": [{"library": "x", "installs": ["PERHAPS"]}]}),
    ],
)
async def test_what_cannot_be_understood_is_refused(stage: Stage, path, body):
    answer = await stage.http.put(f"/twin/{path}", json=body)

    assert answer.status_code == 400
    assert answer.json()["error"]


async def test_what_is_not_there_is_not_found(bricks: Bricks):
    post = bricks.stage.http.post
    for path in ("jobs/none/trigger", "runs/1/repair", "clusters/none/break"):
        assert (await post(f"/twin/databricks/dbx-twin/{path}", json={})).status_code == 404
    assert (await post("/twin/databricks/none/jobs/a/trigger", json={})).status_code == 404
    assert (await post("/twin/webhooks/1/again", json={})).status_code == 404
    assert (await bricks.ask("GET", "jobs/runs/get", run_id="abc")).status_code == 400
    assert (await bricks.ask("GET", "jobs/runs/get")).status_code == 400
