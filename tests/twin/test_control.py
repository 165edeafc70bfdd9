"""The control addresses, and serving."""

import subprocess
import sys

import httpx
import pytest
from starlette.testclient import TestClient

from pipemend.twin.app import create_app
from pipemend.twin.world import World
from tests.twin.stage import FACTORY, Stage


async def test_the_summary_tells_how_to_reach_everything(stage: Stage):
    settings = (await stage.get(""))["settings"]

    assert settings["AZURE_RESOURCE_MANAGER_URL"] == stage.base_url
    assert settings["SLACK_API_URL"] == f"{stage.base_url}/slack/api/"
    assert settings["GOOGLE_GEMINI_BASE_URL"] == f"{stage.base_url}/gemini"
    assert (await stage.http.post(settings["PLAYBOOK_RETRY_PIPELINE"], json={})).status_code == 200


async def test_a_reset_forgets_everything(stage: Stage):
    await stage.pipeline("nightly", "Succeeded", duration=0.05)
    await stage.trigger("nightly")
    await stage.fault("jira", None, "status")

    await stage.post("reset")

    summary = await stage.get("")
    assert (summary["pipelines"], summary["runs"], summary["faults"]) == ([], {}, [])


async def test_requests_are_counted_without_their_secrets(stage: Stage):
    url = await stage.workflow()
    await stage.http.post(url, json={})
    await stage.http.get("/nothing/here?token=abc")

    assert [one["operation"] for one in await stage.requests("logic_app")] == ["invoke"]
    assert "sig=***" in (await stage.requests("logic_app"))[0]["path"]
    assert (await stage.requests("unknown"))[0]["path"] == "/nothing/here?token=***"
    assert all(one["service"] != "twin" for one in (await stage.get("requests"))["requests"])


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (f"pipelines/{FACTORY}/nightly", {"outcome": ["Failed"]}),
        (f"pipelines/{FACTORY}/nightly", {"outcomes": ["Exploded"]}),
        (f"pipelines/{FACTORY}/nightly", {"alert": "pigeon"}),
        (f"pipelines/{FACTORY}/nightly", {"target": "moon"}),
        ("workflows/retry-pipeline", {"behaviour": "sulk"}),
        ("workflows/retry-pipeline", {"behaviour": "slow"}),
        ("workflows/retry-pipeline", {"signature": "x"}),
        ("gemini", {"behaviour": "sulk"}),
        ("jira", {"lags": 1}),
        ("jira", {"direct": "yes"}),
        ("data-factory", {"page_size": "many"}),
        ("action-group", {"uri": "x"}),
    ],
)
async def test_what_cannot_be_understood_is_refused(stage: Stage, path, body):
    answer = await stage.http.put(f"/twin/{path}", json=body)

    assert answer.status_code == 400
    assert answer.json()["error"]


async def test_what_is_not_there_is_not_found(stage: Stage):
    for path in ("runs/none/rerun", "runs/none/cancel", "alerts/7/again", f"pipelines/{FACTORY}/none/trigger"):
        assert (await stage.http.post(f"/twin/{path}", json={})).status_code == 404
    assert (await stage.http.get("/twin/workflows/none/runs")).status_code == 404


async def test_a_run_that_has_ended_is_not_ended_again(stage: Stage):
    await stage.pipeline("nightly", "Cancelled")
    run_id = await stage.trigger("nightly")
    await stage.ended(run_id)

    assert (await stage.run(run_id))["status"] == "Cancelled"
    assert (await stage.http.post(f"/twin/runs/{run_id}/cancel", json={})).status_code == 409
    assert (await stage.http.post(f"/twin/runs/{run_id}/finish", json={})).status_code == 409


async def test_a_new_plan_starts_counting_anew(stage: Stage):
    await stage.pipeline("nightly", "Succeeded", "Succeeded")
    await stage.ended(await stage.trigger("nightly"))

    await stage.pipeline("nightly", "LoginFailed", "Succeeded")

    assert (await stage.ended(await stage.trigger("nightly")))["status"] == "Failed"


def test_other_machines_and_other_names_have_no_control():
    with TestClient(create_app(World()), base_url="http://127.0.0.1", client=("127.0.0.1", 1)) as near:
        assert near.get("/twin/").status_code == 200
        assert near.get("/twin/", headers={"Host": "evil.example.com"}).status_code == 403
    with TestClient(create_app(World()), base_url="http://127.0.0.1", client=("203.0.113.7", 1)) as far:
        assert far.get("/twin/").status_code == 403
        assert far.get("/rest/api/3/myself").status_code == 401


def test_serve_prints_where_it_listens():
    code = "from pipemend.twin import serve; serve()"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        base_url = next(word for word in line.split() if word.startswith("http"))
        answer = httpx.get(f"{base_url}/twin/", trust_env=False)
        process.terminate()

    assert answer.status_code == 200
