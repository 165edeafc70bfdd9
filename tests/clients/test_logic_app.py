"""A playbook is asked once, and each of its answers has a meaning."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from pipemend.clients.http import Answer, Http
from pipemend.clients.logic_app import LogicApp, read
from pipemend.core.attempt import Attempt, Declined, Progress, Running, Stage, Unknown
from pipemend.core.clock import WallClock
from pipemend.core.run import Rerun
from tests.clients.attempts import attempt
from tests.clients.samples import sample
from tests.clients.vendor import http, nobody, vendor
from tests.twin.stage import Stage as Twin

RUN = {"x_ms_workflow_run_id": "08585126097002631194816968720CU18"}
HEADER = {"x-ms-workflow-run-id": RUN["x_ms_workflow_run_id"]}


@dataclass
class Direct:
    """A direct remedy that has found some runs."""

    via: str = "direct"
    first: Stage = field(default_factory=Stage)
    found: Sequence[Rerun] = ()

    async def advance(self, attempt: Attempt, stage: Stage) -> Progress:
        raise AssertionError("the playbook is asked, not the platform")

    async def started(self, attempt: Attempt) -> Sequence[Rerun]:
        return self.found


async def job_seven(_: Attempt) -> Mapping[str, object]:
    return {"job_id": "7"}


@dataclass
class Playbooks:
    """Makes Logic Apps that share a pool, and notes their pauses."""

    http: Http
    pauses: list[float] = field(default_factory=list)

    def at(self, url: str, **more: Any) -> LogicApp:
        return LogicApp(SecretStr(url), Direct(), self.http, WallClock(), sleep=self.nap, **more)

    async def ask(self, url: str, asked: Attempt | None = None) -> Progress:
        return await self.at(url).advance(asked or attempt(), Stage())

    async def nap(self, seconds: float) -> None:
        self.pauses.append(seconds)


@pytest.fixture
async def playbooks() -> AsyncIterator[Playbooks]:
    made = Playbooks(Http())
    yield made
    await made.http.close()


def answered(status: int, body: object = "", headers: dict[str, str] | None = None) -> Progress:
    text = body if isinstance(body, str) else json.dumps(body)
    return read(Answer(status, headers or {}, text.encode()), attempt())


async def test_the_request_holds_the_fields_that_playbooks_know(playbooks: Playbooks):
    async with vendor(http(202)) as outside:
        logic_app = playbooks.at(outside.url, callback_url=lambda a: f"https://us/{a.key}", extra=job_seven)
        await logic_app.advance(attempt(), Stage())
    head, _, body = outside.requests[0].partition(b"\r\n\r\n")
    sent = json.loads(body)

    assert sent.pop("timestamp")
    assert sent == {
        "pipeline_name": "nightly-load",
        "ticket_id": "ADF-20261124T101500-1f496d07ab",
        "error_type": "GatewayTimeout",
        "original_run_id": "run-original",
        "reference_run_id": "run-latest",
        "retry_attempt": 2,
        "max_retries": 3,
        "remediation_action": "retry_pipeline",
        "idempotency_key": "ADF-20261124T101500-1f496d07ab-2",
        "resource": attempt().resource,
        "callback_url": "https://us/ADF-20261124T101500-1f496d07ab-2",
        "job_id": "7",
    }
    assert b"x-ms-client-tracking-id: ADF-20261124T101500-1f496d07ab-2\r\n" in head


async def test_the_published_fields_of_the_plan_are_all_sent(playbooks: Playbooks):
    known = set(json.loads(sample("prototype/captured_playbook_request_adf.json"))) - {"remediation_risk"}
    async with vendor(http(202)) as outside:
        await playbooks.at(outside.url, callback_url=lambda _: "https://us").advance(attempt(), Stage())

    assert known <= set(json.loads(outside.requests[0].partition(b"\r\n\r\n")[2]))


async def test_without_an_address_of_ours_no_callback_is_asked_for(playbooks: Playbooks):
    async with vendor(http(202)) as outside:
        await playbooks.at(outside.url, callback_url=lambda _: None).advance(attempt(), Stage())

    assert b"callback_url" not in outside.requests[0]


@pytest.mark.parametrize(("final", "meant"), [(True, True), (False, False), ("true", False), (None, False)])
def test_a_failure_says_whether_it_lasts(final: object, meant: bool):
    progress = answered(200, {"status": "failed", "final": final, "error": {"message": "no rights"}})

    assert isinstance(progress, Declined)
    assert progress.final is meant


@pytest.mark.parametrize("status", [200, 201, 202])
@pytest.mark.parametrize("word", ["success", "accepted"])
def test_a_named_run_runs(status: int, word: str):
    progress = answered(status, {"status": word, "run_id": "run-7"})

    assert isinstance(progress, Running)
    assert progress.rerun == Rerun("run-7")
    assert json.loads(progress.answer) == {"status": word, "run_id": "run-7"}


def test_the_published_yes_runs():
    assert isinstance(answered(200, sample("prototype/contract_logicapp_response_v1_success.json").decode()), Running)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, {"status": "success"}),
        (201, {"status": "accepted", "run_id": None}),
        (202, ""),
        (202, "Accepted"),
        (202, {"status": "accepted"}),
        (202, {"run_id": ""}),
    ],
)
def test_a_yes_without_a_run_is_looked_for(status: int, body: object):
    progress = answered(status, body)

    assert isinstance(progress, Unknown)
    assert progress.accepted
    assert progress.answer


def test_a_run_id_that_no_database_would_take_is_mended():
    assert answered(200, '{"status": "success", "run_id": "run-\\u0000\\ud8007"}') == Running(
        Rerun("run-\N{REPLACEMENT CHARACTER}7"), answer='{"status": "success", "run_id": "run-\\u0000\\ud8007"}'
    )


def test_a_reason_that_no_database_would_take_is_mended():
    progress = answered(200, '{"status": "failed", "error_message": "no\\u0000 \\ud800"}')

    assert isinstance(progress, Declined)
    assert progress.reason == "the playbook failed: no \N{REPLACEMENT CHARACTER}"


def test_a_text_too_long_to_be_a_run_id_names_no_run():
    progress = answered(200, {"status": "success", "run_id": "x" * 201})

    assert isinstance(progress, Unknown)
    assert progress.accepted


@pytest.mark.parametrize("run_id", ["run-original", "run-latest"])
def test_the_echo_of_the_failed_run_is_no_rerun(run_id: str):
    progress = answered(200, {"status": "success", "run_id": run_id})

    assert isinstance(progress, Unknown)
    assert progress.accepted


@pytest.mark.parametrize("body", ["", "<html>", "Display Name: 202.json", "[]", "null", {"hello": 1}, {"status": []}])
def test_a_success_that_says_nothing_is_unknown(body: object):
    progress = answered(200, body)

    assert isinstance(progress, Unknown)
    assert not progress.accepted


@pytest.mark.parametrize("status", [200, 201, 202])
def test_a_failed_playbook_is_a_failed_attempt(status: int):
    progress = answered(status, {"status": "failed", "error_message": "no such pipeline"})

    assert isinstance(progress, Declined)
    assert not progress.final
    assert progress.reason == "the playbook failed: no such pipeline"


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (400, "WorkflowTriggerIsNotEnabled", "its Logic App is disabled"),
        (404, "WorkflowNotFound", "does not exist any more"),
        (400, "TriggerInputSchemaMismatch", "other fields than we send"),
        (401, "DirectApiAuthorizationRequired", "the signature in its address is missing or wrong"),
        (403, "Whatever", "we may not call it"),
        (400, "Whatever", "did not understand"),
    ],
)
def test_a_refusal_goes_to_people_with_a_reason_they_can_read(status: int, code: str, words: str):
    progress = answered(status, {"error": {"code": code, "message": "in Azure's words"}})

    assert isinstance(progress, Declined)
    assert progress.final
    assert words in progress.reason
    assert progress.reason.endswith("in Azure's words")


def test_a_refusal_that_the_workflow_wrote_itself_is_one_too():
    published = json.loads(sample("logicapp-trigger-404-from-workflow.json"))["response"]
    headers = {name.lower(): value for name, value in published["headers"].items()}
    progress = answered(published["status"], published["body"], headers)

    assert isinstance(progress, Declined)
    assert progress.final
    assert "Action Unknown" in progress.reason


@pytest.mark.parametrize(
    ("status", "body", "headers"),
    [
        (500, "", HEADER),
        (500, {"status": "failed"}, HEADER),
        (500, "oops", {}),
        (502, {"error": {"code": "NoResponse"}}, {}),
        (502, {"status": "failed"}, {}),
        (504, "", {}),
        (503, "", HEADER),
        (503, "", {}),
        (503, {"status": "failed"}, {}),
        (429, "", HEADER),
        (408, "", {}),
        (409, {"message": "this key is known"}, {}),
        (302, "", {}),
    ],
)
def test_where_a_workflow_may_have_run_the_outcome_is_unknown(status: int, body: object, headers: dict[str, str]):
    progress = answered(status, body, headers)

    assert isinstance(progress, Unknown)
    assert not progress.accepted


def test_a_broken_playbook_that_says_failed_and_names_no_workflow_run_has_started_nothing():
    progress = answered(500, sample("prototype/contract_logicapp_response_v1_failed.json").decode())

    assert isinstance(progress, Declined)
    assert not progress.final


def test_the_answer_is_kept_short_and_without_secrets():
    progress = answered(500, "password=hunter2 " + "x" * 10_000)

    assert isinstance(progress, Unknown)
    assert "hunter2" not in progress.answer + progress.reason
    assert len(progress.answer.encode()) <= 4096
    assert len(progress.reason) < 400


@given(
    st.integers(100, 599),
    st.text(max_size=100)
    | st.builds(
        json.dumps,
        st.dictionaries(
            st.sampled_from(["status", "run_id", "error", "message"]),
            st.none() | st.text() | st.integers() | st.lists(st.text()),
        ),
    ),
)
def test_any_answer_has_a_meaning(status: int, body: str):
    assert isinstance(answered(status, body), Running | Declined | Unknown)


async def test_a_busy_service_is_asked_three_times_and_no_more(playbooks: Playbooks):
    async with vendor(http(429, "slow down", Retry_After="3")) as outside:
        progress = await playbooks.ask(outside.url)

    assert isinstance(progress, Declined)
    assert not progress.final
    assert len(outside.requests) == 3
    assert playbooks.pauses == [3, 4]


async def test_a_service_that_was_busy_is_asked_again(playbooks: Playbooks):
    async with vendor(http(503, Retry_After="1"), http(200, '{"status": "success", "run_id": "run-7"}')) as outside:
        progress = await playbooks.ask(outside.url)

    assert isinstance(progress, Running)
    assert playbooks.pauses == [2]


async def test_a_busy_answer_of_a_workflow_run_is_not_repeated(playbooks: Playbooks):
    async with vendor(http(429, **RUN)) as outside:
        progress = await playbooks.ask(outside.url)

    assert isinstance(progress, Unknown)
    assert len(outside.requests) == 1


async def test_nobody_at_the_address_has_started_nothing(playbooks: Playbooks):
    progress = await playbooks.ask(nobody() + "/?sig=geheim")

    assert isinstance(progress, Declined)
    assert not progress.final
    assert "geheim" not in progress.reason
    assert playbooks.pauses == [2, 4]


async def test_a_dropped_connection_is_unknown_and_not_repeated(playbooks: Playbooks):
    async with vendor(None) as outside:
        progress = await playbooks.ask(outside.url)

    assert isinstance(progress, Unknown)
    assert len(outside.requests) == 1


async def test_reruns_are_looked_for_with_the_direct_remedy(playbooks: Playbooks):
    found = [Rerun("run-7")]
    logic_app = LogicApp(SecretStr(nobody()), Direct(found=found), playbooks.http, WallClock())

    assert logic_app.via == "playbook"
    assert await logic_app.started(attempt()) == found


@pytest.mark.parametrize(
    ("behaviour", "kind", "final_or_accepted"),
    [
        ("sync", Running, None),
        ("sync_text", Running, None),
        ("accepted", Running, None),
        ("202_with_run_id", Running, None),
        ("202_empty", Unknown, True),
        ("failed", Declined, False),
        ("500_failed", Unknown, False),
        ("no_response_502", Unknown, False),
        ("gateway_504", Unknown, False),
        ("disabled", Declined, True),
        ("not_found", Declined, True),
        ("schema_mismatch", Declined, True),
        ("html", Unknown, False),
        ("throttled:1", Declined, False),
    ],
)
async def test_the_twins_workflows_are_understood(
    stage: Twin, playbooks: Playbooks, behaviour: str, kind: type[Progress], final_or_accepted: bool | None
):
    await stage.pipeline("nightly-load", "GatewayTimeout", "Succeeded")
    failed = await stage.trigger("nightly-load")
    await stage.ended(failed)
    url = await stage.workflow(behaviour=behaviour)

    progress = await playbooks.ask(url, attempt(original_run_id=failed, reference_run_id=failed, resource="adf-twin"))

    assert isinstance(progress, kind)
    said = getattr(progress, "final", getattr(progress, "accepted", None))
    assert said is final_or_accepted
    started = [run for run in (await stage.get("runs"))["runs"] if run["runId"] != failed]
    if isinstance(progress, Running):
        assert [run["runId"] for run in started] == [progress.rerun.run_id]
    if isinstance(progress, Declined):
        assert started == []


async def test_a_wrong_signature_is_named(stage: Twin, playbooks: Playbooks):
    url = (await stage.workflow()).replace("sig=", "sig=wrong")
    progress = await playbooks.ask(url)

    assert isinstance(progress, Declined)
    assert progress.final
    assert "the signature in its address is missing or wrong" in progress.reason


@pytest.mark.parametrize("location", ["/workflows/x/runs/1?sig=s", "runs/2"])
async def test_a_202_says_where_the_answer_will_stand(playbooks: Playbooks, location: str):
    async with vendor(http(202, Location=location)) as there:
        said = await playbooks.ask(f"{there.url}/invoke?sig=s")

    assert isinstance(said, Unknown)
    assert said.accepted
    assert (said.later_url or "").startswith(there.url)
    assert "later_url" not in repr(said)


@pytest.mark.parametrize(
    ("location", "asked"),
    [
        ("https://prod-12.northcentralus.logic.azure.com/workflows/x/runs/1?sig=s", True),
        ("https://prod-12.northcentralus.logic.azure.com:8443/x", False),
        ("http://prod-12.northcentralus.logic.azure.com:443/x", False),
        ("https://prod-12.northcentralus.logic.azure.com:nothing/x", False),
        ("https://[", False),
    ],
)
def test_the_port_443_may_be_left_out(playbooks: Playbooks, location: str, asked: bool):
    app = playbooks.at("https://prod-12.northcentralus.logic.azure.com:443/workflows/x/triggers/manual?sig=s")

    assert bool(app._later_url(Answer(202, {"location": location}, b""))) is asked


@pytest.mark.parametrize("location", ["https://evil.example/answer", "//evil.example/x", "http://127.0.0.1:1/x"])
async def test_nobody_else_is_asked_for_the_answer(playbooks: Playbooks, location: str):
    async with vendor(http(202, Location=location)) as there:
        said = await playbooks.ask(f"{there.url}/invoke?sig=s")

    assert isinstance(said, Unknown)
    assert said.later_url is None


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (http(200, '{"status": "success", "run_id": "rerun-9"}'), Running),
        (http(200, '{"status": "failed", "error": "no rights"}'), Declined),
        (http(202), Unknown),
        (http(404, "{}"), Unknown),
        (http(500, "{}"), Unknown),
        (http(200, "<html></html>"), Unknown),
    ],
)
async def test_the_later_answer_is_read_like_a_first_one(playbooks: Playbooks, answer: bytes, kind: type):
    async with vendor(answer) as there:
        said = await playbooks.at(f"{there.url}/invoke").answer(attempt(later_url=f"{there.url}/later"))

    assert isinstance(said, kind)


async def test_the_twins_workflow_answers_later_at_its_own_address(stage: Twin, playbooks: Playbooks):
    await stage.pipeline("nightly-load", "GatewayTimeout", "Succeeded")
    failed = await stage.trigger("nightly-load")
    await stage.ended(failed)
    app = playbooks.at(await stage.workflow(behaviour="location:1"))
    asked = attempt(original_run_id=failed, reference_run_id=failed, resource="adf-twin")

    accepted = await app.advance(asked, Stage())
    assert isinstance(accepted, Unknown)
    waiting = attempt(later_url=accepted.later_url, original_run_id=failed, reference_run_id=failed)
    async with asyncio.timeout(20):
        while isinstance(said := await app.answer(waiting), Unknown):
            await asyncio.sleep(0.2)
    assert isinstance(said, Running)
