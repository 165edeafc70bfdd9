"""Every playbook as a template: what is known before anything is deployed."""

import json
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipemend.clients.http import Http
from pipemend.clients.upstream import CheckUpstream
from pipemend.core.ports import Platform
from pipemend.platforms.data_factory import DataFactory
from pipemend.platforms.databricks import Databricks
from pipemend.settings import ACTIONS
from pipemend.twin.logic_apps.definition import Action
from pipemend.twin.logic_apps.loaded import App, load
from pipemend.twin.logic_apps.schema import faults as against
from tests.deploy.arm import faults
from tests.deploy.shipped import PLAYBOOKS, Shipped, definition, of_job, of_pipeline, template
from tests.twin.stage import Stage

STARTS = ("/createRun", "/repair", "/run-now", "/restart", "/start", "/resize")
BACK = ("Resize_back",)  # to the size it had: asking twice does no harm
JOBS = ("retry_job", "restart_cluster", "scale_up_cluster", "reinstall_libraries")


def loaded(name: str) -> App:
    needed = {key for key, one in definition(name)["parameters"].items() if "defaultValue" not in one}
    return load(name, template(name), {key: [] for key in needed}, pace=1.0)


def actions(name: str) -> Iterator[Action]:
    yield from loaded(name).definition.all()


def test_each_action_with_a_setting_has_a_playbook():
    assert set(PLAYBOOKS) == set(ACTIONS)


@pytest.mark.parametrize("name", PLAYBOOKS)
def test_the_template_is_sound(name: str):
    assert list(faults(template(name))) == []


@pytest.mark.parametrize("name", PLAYBOOKS)
def test_it_has_an_identity_and_may_read_its_own_runs_and_no_more(name: str):
    app, role = template(name)["resources"]

    assert app["identity"] == {"type": "SystemAssigned"}
    assert role["scope"] == "[resourceId('Microsoft.Logic/workflows', parameters('name'))]"
    assert role["properties"]["roleDefinitionId"] == "[variables('readerRole')]"


@pytest.mark.parametrize("name", PLAYBOOKS)
def test_no_text_of_the_definition_is_taken_for_an_expression_of_the_template(name: str):
    assert '"[' not in json.dumps(definition(name)).replace('["', "")


@pytest.mark.parametrize("name", PLAYBOOKS)
def test_whatever_starts_something_is_sent_once(name: str):
    sent = {
        one.name: one.inputs.get("retryPolicy")
        for one in actions(name)
        if one.type == "Http" and str(one.inputs["uri"]).rstrip("')").endswith(STARTS) and one.name not in BACK
    }

    assert sent
    assert set(map(json.dumps, sent.values())) == {'{"type": "none"}'}


@pytest.mark.parametrize("name", PLAYBOOKS)
def test_one_run_at_a_time_and_every_answer_comes_later(name: str):
    made = loaded(name).definition

    assert (made.runs_at_once, made.waiting, made.validates) == (1, 100, True)
    assert made.answers_later


def test_nothing_of_a_request_names_the_host_that_gets_a_token():
    """Tokens go to Azure and to what the template lists; a request is compared with the list and never put in."""
    bodies = {
        one.name: str(one.inputs["uri"])
        for name in PLAYBOOKS
        for one in actions(name)
        if one.type == "Http" and "authentication" in one.inputs
    }

    begins = (
        "@concat('https://management.azure.com', workflow()['id']",
        "@concat('https://management.azure.com', first(body('Factory'))",
        "@concat('https://management.azure.com', first(body('Its_factory'))",
        "@concat('https://', first(body('Workspace')), '/api/",
    )
    assert [uri for uri in bodies.values() if not uri.startswith(begins)] == []


@pytest.mark.parametrize("names", [JOBS, sorted(set(PLAYBOOKS) - set(JOBS))])
def test_what_playbooks_share_is_the_same_in_each(names: list[str]):
    """Actions of one name do one thing, so that a mistake is mended in all of them."""
    said: dict[str, set[str]] = defaultdict(set)
    for one in (one for name in names for one in actions(name) if not one.branches):
        said[one.name].add(json.dumps({**one.raw, "runAfter": {}}, sort_keys=True))

    assert [name for name, ways in said.items() if len(ways) > 1] == []


async def posted(name: str, stage: Stage, adf: DataFactory, dbx: Databricks) -> dict[str, Any]:
    """The body of a request as the product makes it for this playbook, with all that it may hold."""
    platform: Platform = dbx if name in JOBS else adf
    if name in JOBS:
        asked = of_job(123, "adb-1.7.azuredatabricks.net")
        extra: dict[str, object] = {"job_name": "orders", "job_id": "5", "cluster_id": "0101-1-x"}
    else:
        asked, extra = of_pipeline("3f1c9a52-9d0e-4f52-8a65-0c5a8f3f9d11"), {}
        if name == "check_upstream":
            upstream = CheckUpstream({}, lambda _, __: ("adf/raw load",), adf.remedies["retry_pipeline"], Http())
            extra = dict(await upstream.details(asked))
    direct = platform.remedies.get(name) or adf.remedies["retry_pipeline"]
    playbook = Shipped(stage, name, "https://playbook.example", direct, platform)
    playbook.callback = "https://pipemend.example"
    body = {**playbook.remedy()._body(asked), **extra}
    await playbook.http.close()
    return body


@pytest.mark.parametrize("name", PLAYBOOKS)
async def test_the_trigger_takes_what_the_product_posts(name: str, stage: Stage, adf: DataFactory, dbx: Databricks):
    schema = definition(name)["triggers"]["manual"]["inputs"]["schema"]
    body = await posted(name, stage, adf, dbx)

    assert set(schema["properties"]) == set(body)
    assert list(against(schema, body)) == []
    assert jsonschema_rs.is_valid(schema, body)
    for field in schema["required"]:
        less = {key: value for key, value in body.items() if key != field}
        assert not jsonschema_rs.is_valid(schema, less)
        assert list(against(schema, less))
    for field in body:
        assert not jsonschema_rs.is_valid(schema, {**body, field: {"not": "this"}})
        assert list(against(schema, {**body, field: {"not": "this"}}))


@given(
    field=st.sampled_from(["pipeline_name", "reference_run_id", "idempotency_key", "resource"]),
    text=st.text(st.sampled_from("aA0-:/\\.'\"@?#%&+ {}$"), min_size=1, max_size=12),
)
def test_two_checkers_of_schemas_agree(field: str, text: str):
    for name in ("retry_pipeline", "retry_job"):
        schema = definition(name)["triggers"]["manual"]["inputs"]["schema"]["properties"][field]
        assert jsonschema_rs.is_valid(schema, text) is not bool(list(against(schema, text)))
