"""What else is deployed: Pipemend itself, alerts, pipelines that fail on purpose, an image and its neighbours."""

import contextlib
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml  # type: ignore[import-untyped]

from pipemend.analyzers.rules import build
from pipemend.core.rca import History
from pipemend.platforms.data_factory import DataFactory
from pipemend.settings import Settings
from tests.deploy.arm import calls, faults
from tests.platforms.adf import ref
from tests.twin.stage import FACTORY, Stage

DEPLOY = Path(__file__).parents[2] / "deploy"
TEMPLATES = sorted([*DEPLOY.glob("app_service/*.json"), *DEPLOY.glob("sample_failures/*.json")])
SAMPLES = {
    "gateway_timeout": ("GatewayTimeout", "yes", ["Failed", "Succeeded"]),
    "missing_file": ("UserErrorSourceBlobNotExists", "conditional", ["Failed", "Succeeded"]),
    "wrong_password": ("AuthenticationFailed", "no", ["Failed", "Failed"]),
}


def template(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text()))


def resource(whole: dict[str, Any], kind: str) -> dict[str, Any]:
    [found] = [one for one in whole["resources"] if one["type"] == kind]
    return dict(found)


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_a_template_is_sound(path: Path):
    assert list(faults(template(path))) == []


def test_the_web_app_stays_awake_and_speaks_over_https_alone():
    app = resource(template(DEPLOY / "app_service/main.json"), "Microsoft.Web/sites")

    assert app["identity"] == {"type": "SystemAssigned"}
    assert app["properties"]["httpsOnly"]
    wanted = {"alwaysOn": True, "webSocketsEnabled": True, "healthCheckPath": "/healthz", "ftpsState": "Disabled"}
    assert wanted.items() <= app["properties"]["siteConfig"].items()


def test_the_settings_of_the_web_app_are_ours_and_its_secrets_are_in_the_vault():
    app = resource(template(DEPLOY / "app_service/main.json"), "Microsoft.Web/sites")
    said = {one["name"]: one["value"] for one in app["properties"]["siteConfig"]["appSettings"]}
    ours = {name: value for name, value in said.items() if not name.startswith("WEBSITES_")}
    secret = [name for name, one in Settings.model_fields.items() if "SecretStr" in str(one.annotation)]

    assert {name.lower() for name in ours} <= set(Settings.model_fields)
    kept = {name for name, value in ours.items() if "@Microsoft.KeyVault(" in value}
    assert kept == {name for name in ours if name.lower() in secret} == {"DATABASE_URL", "AZURE_MONITOR_SECRET"}


def test_secrets_reach_the_vault_and_the_database_alone():
    whole = template(DEPLOY / "app_service/main.json")
    holders = {
        one["type"]
        for one in whole["resources"]
        for call in calls(one)
        if call.name == "parameters"
        and whole["parameters"][getattr(call.arguments[0], "value", "")]["type"] == "secureString"
    }

    assert holders == {"Microsoft.KeyVault/vaults/secrets", "Microsoft.DBforPostgreSQL/flexibleServers"}


def test_the_rule_on_logs_names_the_run():
    rule = resource(template(DEPLOY / "app_service/alerts.json"), "Microsoft.Insights/scheduledQueryRules")
    [criterion] = rule["properties"]["criteria"]["allOf"]

    assert [one["name"] for one in criterion["dimensions"]] == ["PipelineName", "PipelineRunId", "ResourceId"]
    assert all(one["name"] in criterion["query"] for one in criterion["dimensions"])


@pytest.mark.parametrize("name", SAMPLES)
async def test_a_sample_fails_as_its_page_says(stage: Stage, adf: DataFactory, name: str):
    error_type, remediable, statuses = SAMPLES[name]
    definition = template(DEPLOY / f"sample_failures/{name}.json")
    await stage.put(f"pipelines/{FACTORY}/{name}", definition=definition)

    first = await stage.ended(await stage.trigger(name))
    run = await adf.run(ref(first["runId"]))
    assert run is not None
    said = await build(Settings.of({})).diagnose(await adf.failure(run), History())
    again = await stage.ended((await stage.post(f"runs/{first['runId']}/rerun"))["runId"])

    assert (said.error_type, said.remediable) == (error_type, remediable)
    assert [first["status"], again["status"]] == statuses


def image() -> tuple[dict[str, str], list[str], list[str], list[str]]:
    """The last stage of the Dockerfile: its environment, its words to start, its words to look, and its lines."""
    text = re.sub(r"\\\n\s*", "", (DEPLOY / "Dockerfile").read_text())
    lines = text[text.rindex("FROM ") :].splitlines()
    found = {line.split()[0]: line.partition(" ")[2] for line in lines if line.split()}
    look = found["HEALTHCHECK"].partition("CMD ")[2]
    environment = dict(word.split("=", 1) for word in shlex.split(found["ENV"]))
    return environment, json.loads(found["ENTRYPOINT"]) + json.loads(found["CMD"]), json.loads(look), lines


def test_the_image_runs_as_nobody_in_particular():
    environment, words, _, lines = image()

    assert "USER 10001:10001" in lines
    assert words == ["python", "-m", "pipemend", "serve"]
    assert {name.lower() for name in environment if name.startswith("PIPEMEND") or name == "LOG_FORMAT"} <= set(
        Settings.model_fields
    )


@contextlib.contextmanager
def started(words: list[str], environment: dict[str, str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(words, env=environment, cwd=folder, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as opened:
        return int(opened.getsockname()[1])


@pytest.mark.soak
def test_the_words_of_the_image_start_a_server_that_is_well(tmp_path: Path):
    environment, words, look, _ = image()
    port, data = free_port(), tmp_path / "data"
    here = {**environment, "PATH": os.environ["PATH"], "PIPEMEND_PORT": str(port), "PIPEMEND_DATA_DIR": str(data)}
    words, look = [sys.executable, *words[1:]], [sys.executable, *look[1:]]
    assert subprocess.run(look, env=here, capture_output=True).returncode
    token = [*words[:-1], "tokens", "add", "rosa", "--role", "admin"]
    subprocess.run(token, env=here, cwd=tmp_path, check=True, capture_output=True)

    with started(words, here, tmp_path) as server:
        ends = time.monotonic() + 60
        while subprocess.run(look, env=here, capture_output=True).returncode:
            assert server.poll() is None, (tmp_path / "log").read_text()
            assert time.monotonic() < ends, (tmp_path / "log").read_text()
        assert httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False).is_success
    assert server.returncode == 0
    assert {path.name for path in tmp_path.iterdir()} == {"data", "log"}  # nothing is written elsewhere


def test_the_neighbours_fit_together():
    whole = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    services = whole["services"]
    ours = {name: one for name, one in services.items() if one["image"] == "pipemend"}

    assert set(ours) == {"migrate", "server", "worker"}
    assert all(one["read_only"] and one["cap_drop"] == ["ALL"] for one in ours.values())
    assert {name: one["command"][0] for name, one in ours.items()} == {
        "migrate": "migrate",
        "server": "serve",
        "worker": "worker",
    }
    for one in services.values():
        assert set(one.get("secrets", ())) <= set(whole["secrets"])
        assert set(one.get("depends_on", {})) <= set(services)
        assert {volume.partition(":")[0] for volume in one.get("volumes", ())} <= set(whole["volumes"])
    names = {name.removesuffix("_FILE").lower() for one in ours.values() for name in one["environment"]}
    assert names <= set(Settings.model_fields)
    assert not any("PASSWORD" in name and not name.endswith("_FILE") for name in services["postgres"]["environment"])
