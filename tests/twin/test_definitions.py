"""Definitions of Logic Apps: carried out as the service would, and refused where the twin does not know their words."""

import asyncio
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from pipemend.twin.logic_apps.language.evaluation import CannotEvaluate, filled
from pipemend.twin.logic_apps.language.functions import FUNCTIONS, OF_THE_RUN, Unfit
from pipemend.twin.logic_apps.language.syntax import BadExpression, read
from tests.twin.stage import Stage

FAST = 0.001
SEEN = {
    "triggerbody": lambda: {"name": "orders", "list": [1, 2], "nothing": None},
    "item": lambda: {"status": "Failed"},
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plain", "plain"),
        ("@@plain", "@plain"),
        ("a@@{b}", "a@{b}"),
        ("@triggerBody()['name']", "orders"),
        ("@triggerBody().name", "orders"),
        ("@triggerBody()?['missing']?['deeper']", None),
        ("@triggerBody()?['list'][1]", 2),
        ("@triggerBody()?['list']?[7]", None),
        ("run @{triggerBody()['name']}, @{triggerBody()['nothing']}!", "run orders, !"),
        ("@{triggerBody()['list']}", "[1,2]"),
        ("@concat('it''s ', 1, null, true)", "it's 1true"),
        ("@EQUALS(item()?['status'], 'Failed')", True),
        ("@equals('a', 'A')", False),
        ("@equals(1, true)", False),
        ("@if(empty(''), 'yes', 'no')", "yes"),
        ("@coalesce(null, triggerBody()?['missing'], 'x')", "x"),
        ("@first(json('[]'))", None),
        ("@last(sort(json('[{\"at\":2},{\"at\":1}]'), 'at'))['at']", 2),
        ("@startsWith('Https://x', 'https://X')", True),
        ("@encodeUriComponent('a b/../c?d=é')", "a%20b%2F..%2Fc%3Fd%3D%C3%A9"),
        ("@take('abc', 9)", "abc"),
        ("@setProperty(json('{\"a\":1}'), 'b', 2)", {"a": 1, "b": 2}),
        ("@div(7, 2)", 3),
        ("@addToTime('2026-11-24T10:15:00Z', -1, 'Day')", "2026-11-23T10:15:00.0000000Z"),
        ("@contains(createArray('a', 'b'), 'b')", True),
        ("@min(mul(2, 3), 5)", 5),
    ],
)
def test_an_expression_comes_to_its_value(text: str, value: Any):
    assert filled(text, SEEN) == value


@pytest.mark.parametrize(
    "text",
    [
        "@",
        "@concat('a'",
        "@concat('a' 'b')",
        "@{item(}",
        "@item().",
        "@nothing",
        "@item() more",
        "@'open",
        "@item()[",
        "x@{1",
    ],
)
def test_an_expression_that_cannot_be_read_is_named(text: str):
    with pytest.raises(BadExpression):
        read(text)


@pytest.mark.parametrize(
    "text",
    [
        "@triggerBody()['missing']",
        "@triggerBody()['nothing']['deeper']",
        "@triggerBody()['name']['x']",
        "@triggerBody()['list'][7]",
        "@int('many')",
        "@if(true, 1, int('evaluated too'))",
        "@and('x', true)",
        "@json('{')",
        "@greater('2', 1)",
        "@div(1, 0)",
    ],
)
def test_a_value_that_does_not_fit_fails_the_action(text: str):
    with pytest.raises((CannotEvaluate, Unfit)):
        filled(text, SEEN)


def answer(body: Any, run_after: dict[str, Any] | None = None, *, status: int = 200, **more: Any) -> dict[str, Any]:
    inputs = {"statusCode": status, "body": body}
    return {"type": "Response", "kind": "Http", "runAfter": run_after or {}, "inputs": inputs, **more}


def wait(seconds: int) -> dict[str, Any]:
    return {"type": "Wait", "inputs": {"interval": {"count": seconds, "unit": "Second"}}}


def workflow(actions: dict[str, Any], **trigger: Any) -> dict[str, Any]:
    manual = {"type": "Request", "kind": "Http", "inputs": {"schema": {}}, **trigger}
    return {"definition": {"triggers": {"manual": manual}, "actions": actions}}


async def load(stage: Stage, definition: Any, **more: Any) -> str:
    return str((await stage.put("workflows/own", definition=definition, **{"pace": FAST, **more}))["url"])


async def call(stage: Stage, actions: dict[str, Any], body: Any = None, **more: Any) -> httpx.Response:
    url = await load(stage, workflow(actions), **more)
    return await stage.http.post(url, json=body or {})


async def done(stage: Stage) -> dict[str, Any]:
    """The last run of the workflow, when it has ended."""

    async def read_it() -> dict[str, Any]:
        return dict((await stage.get("workflows/own/runs"))["runs"][-1])

    return dict(await stage.until(lambda run: run["state"] not in ("Waiting", "Running"), read_it))


async def test_a_response_is_waited_for(stage: Stage):
    said = await call(
        stage, {"Wait_a_minute": wait(60), "Answer": answer({"run_id": "7"}, {"Wait_a_minute": ["Succeeded"]})}
    )

    assert said.json() == {"run_id": "7"}
    assert said.headers["x-ms-workflow-run-id"]


async def test_a_response_after_two_minutes_comes_too_late(stage: Stage):
    said = await call(stage, {"Wait_long": wait(600), "Answer": answer({}, {"Wait_long": ["Succeeded"]})})

    assert said.status_code == 504
    assert (await done(stage))["state"] == "Succeeded"


async def test_a_workflow_without_a_response_answers_at_once(stage: Stage):
    said = await call(stage, {"Wait_long": wait(600)})

    assert (said.status_code, said.content) == (202, b"")


async def test_a_response_that_is_skipped_leaves_the_caller_without_one(stage: Stage):
    said = await call(
        stage,
        {
            "Fails": {"type": "Compose", "inputs": "@triggerBody()['missing']"},
            "Answer": answer({}, {"Fails": ["Succeeded"]}),
        },
    )

    assert (said.status_code, said.json()["error"]["code"]) == (502, "NoResponse")
    run = await done(stage)
    assert run["state"] == "Failed"
    assert "property 'missing' does not exist" in run["actions"]["Fails"]["error"]


async def test_an_answer_that_comes_later_stands_at_its_address(stage: Stage):
    late: dict[str, Any] = {"operationOptions": "Asynchronous"}
    url = await load(
        stage,
        workflow(
            {
                "Wait_a_minute": wait(60),
                "Answer": answer({"ok": 1}, {"Wait_a_minute": ["Succeeded"]}, status=403, **late),
            }
        ),
    )
    said = await stage.http.post(url, json={})

    assert (said.status_code, said.headers["retry-after"]) == (202, "1")
    later = await stage.until(lambda found: found.status_code != 202, lambda: stage.http.get(said.headers["location"]))
    assert (later.status_code, later.json()) == (403, {"ok": 1})


async def test_loops_branches_and_variables(stage: Stage):
    actions = {
        "Count": {
            "type": "InitializeVariable",
            "inputs": {"variables": [{"name": "said", "type": "string", "value": ""}]},
        },
        "Each": {
            "type": "Foreach",
            "foreach": "@triggerBody()['words']",
            "runAfter": {"Count": ["Succeeded"]},
            "runtimeConfiguration": {"concurrency": {"repetitions": 1}},
            "actions": {
                "Longer": {"type": "Compose", "inputs": "@concat(variables('said'), items('Each'))"},
                "Keep": {
                    "type": "SetVariable",
                    "runAfter": {"Longer": ["Succeeded"]},
                    "inputs": {"name": "said", "value": "@outputs('Longer')"},
                },
            },
        },
        "Again": {
            "type": "Until",
            "expression": "@equals(length(variables('said')), 5)",
            "limit": {"count": 9, "timeout": "PT1H"},
            "runAfter": {"Each": ["Succeeded"]},
            "actions": {
                "More": {"type": "Compose", "inputs": "@concat(variables('said'), '!')"},
                "Keep_more": {
                    "type": "SetVariable",
                    "runAfter": {"More": ["Succeeded"]},
                    "inputs": {"name": "said", "value": "@outputs('More')"},
                },
            },
        },
        "Which": {
            "type": "Switch",
            "expression": "@variables('said')",
            "runAfter": {"Again": ["Succeeded"]},
            "cases": {"Right": {"case": "abc!!", "actions": {"Yes": answer("yes")}}},
            "default": {"actions": {"No": answer("@variables('said')")}},
        },
    }
    assert (await call(stage, actions, {"words": ["a", "b", "c"]})).text == "yes"


async def test_a_loop_that_reaches_its_limit_times_out(stage: Stage):
    actions = {
        "Never": {"type": "Until", "expression": "@equals(1, 2)", "limit": {"count": 3}, "actions": {"Nap": wait(1)}},
        "Answer": answer("late", {"Never": ["TimedOut"]}),
    }
    assert (await call(stage, actions)).text == "late"


async def test_a_terminate_ends_the_run(stage: Stage):
    actions = {
        "Answer": answer("bye"),
        "End": {"type": "Terminate", "runAfter": {"Answer": ["Succeeded"]}, "inputs": {"runStatus": "Cancelled"}},
        "Never": {"type": "Compose", "runAfter": {"End": ["Succeeded"]}, "inputs": 1},
    }
    await call(stage, actions)
    run = await done(stage)
    assert (run["state"], "Never" in run["actions"]) == ("Cancelled", False)


@pytest.mark.parametrize(("policy", "sent"), [({"retryPolicy": {"type": "none"}}, 1), ({}, 5)])
async def test_a_request_without_a_policy_is_repeated(stage: Stage, policy: dict[str, Any], sent: int):
    await stage.fault("arm", "getFactory", "status", status=503, times=-1)
    place = "https://management.azure.com/subscriptions/s/resourceGroups/g/providers/Microsoft.DataFactory/factories/f"
    inputs = {"method": "GET", "uri": place, "queries": {"api-version": "2018-06-01"}, **policy}
    await call(stage, {"Ask": {"type": "Http", "inputs": inputs}, "Answer": answer("x", {"Ask": ["Failed"]})})
    await done(stage)

    assert len(await stage.requests("arm", "getFactory")) == sent


async def test_nothing_leaves_this_machine(stage: Stage):
    inputs = {"method": "GET", "uri": "https://management.azure.com@evil.example/x", "retryPolicy": {"type": "none"}}
    said = await call(
        stage,
        {"Ask": {"type": "Http", "inputs": inputs}, "Answer": answer("@string(outputs('Ask'))", {"Ask": ["Failed"]})},
    )

    assert said.text == ""
    assert "does not play the host" in (await done(stage))["actions"]["Ask"]["error"]


async def test_as_many_wait_as_may(stage: Stage):
    late: dict[str, Any] = {"operationOptions": "Asynchronous"}
    url = await load(
        stage,
        workflow(
            {"Nap": wait(600), "Answer": answer("x", {"Nap": ["Succeeded"]}, **late)},
            runtimeConfiguration={"concurrency": {"runs": 1, "maximumWaitingRuns": 1}},
        ),
    )
    said = [await stage.http.post(url, json={})]
    await asyncio.sleep(0)
    said += [await stage.http.post(url, json={}) for _ in range(3)]

    statuses = [one.status_code for one in said]
    assert statuses[:2] == [202, 202]
    assert 429 in statuses
    assert all("x-ms-workflow-run-id" not in one.headers for one in said if one.status_code == 429)


SCOPE = {"type": "Scope", "actions": {"Inner": {"type": "Compose", "inputs": 1}}}


@pytest.mark.parametrize(
    ("actions", "words"),
    [
        ({"A": {"type": "ApiConnection", "inputs": {}}}, "type 'ApiConnection' is not known"),
        ({"A": {"type": "Compose", "inputs": "@guid()"}}, "function 'guid' is not known"),
        ({"A": {"type": "Compose", "inputs": "@concat('"}}, "A: "),
        ({"A": {"type": "Compose", "inputs": 1, "trackedProperties": {}}}, "trackedProperties is not known"),
        ({"A": {"type": "Compose", "inputs": 1, "runAfter": {"B": ["Succeeded"]}}}, "B does not stand beside it"),
        (
            {
                "A": {"type": "Compose", "inputs": 1, "runAfter": {"B": ["Succeeded"]}},
                "B": {"type": "Compose", "inputs": 1, "runAfter": {"A": ["Succeeded"]}},
            },
            "can never be reached",
        ),
        (
            {"A": {"type": "Compose", "inputs": 1, "runAfter": {}}, "B": {**SCOPE, "runAfter": {"A": ["Done"]}}},
            "some of",
        ),
        ({"A": SCOPE, "B": {"type": "Compose", "inputs": "@outputs('Inner')"}}, "not known before it runs"),
        ({"A": {"type": "Compose", "inputs": "@parameters('none')"}}, "there is no parameters('none')"),
        ({"A": {"type": "SetVariable", "inputs": {"name": "x", "value": "@variables('x')"}}}, "no variables('x')"),
        ({"A": SCOPE, "B": {"type": "Scope", "actions": {"Inner": SCOPE}}}, "two actions"),
        (
            {"A": {"type": "Until", "expression": "@equals(1, 1)", "actions": {"B": answer(1)}}},
            "cannot stand in a loop",
        ),
        ({"A": answer(1, operationOptions="Asynchronous"), "B": answer(2, {"A": ["Failed"]})}, "all Response actions"),
        (
            {"A": {"type": "Http", "inputs": {"method": "GET", "uri": "x", "retryPolicy": {"type": "exponential"}}}},
            "retryPolicy",
        ),
        ({"A": {"type": "If", "expression": {"xor": [1, 2]}, "actions": {}}}, "A expression"),
    ],
)
async def test_what_is_not_known_is_refused_and_never_ignored(stage: Stage, actions: dict[str, Any], words: str):
    refused = await stage.http.put("/twin/workflows/own", json={"definition": workflow(actions)})

    assert refused.status_code == 400
    assert words in refused.json()["error"]


async def test_one_at_a_time_needs_answers_that_come_later(stage: Stage):
    definition = workflow({"A": answer(1)}, runtimeConfiguration={"concurrency": {"runs": 1}})
    refused = await stage.http.put("/twin/workflows/own", json={"definition": definition})

    assert "InvalidConcurrencyConfiguration" in refused.json()["error"]


async def test_a_parameter_without_a_value_is_named(stage: Stage):
    definition = workflow({"A": answer("@parameters('factories')")})
    definition["definition"]["parameters"] = {"factories": {"type": "Array"}}
    refused = await stage.http.put("/twin/workflows/own", json={"definition": definition})

    assert "parameters without a value: factories" in refused.json()["error"]
    assert (await stage.http.post(await load(stage, definition, parameters={"factories": [1]}), json={})).json() == [1]


def test_the_page_lists_the_functions():
    page = (Path(__file__).parents[2] / "docs/reference/twin.md").read_text()
    [listed] = re.findall(r"^\| functions \| `(.*)` \|$", page, re.MULTILINE)

    assert [name.lower() for name in listed.split()] == sorted({*FUNCTIONS, *OF_THE_RUN})
