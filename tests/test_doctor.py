"""`pipemend doctor` against the twin: with one thing broken it names that thing, and nothing else."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pipemend.cli import doctor
from pipemend.core.checkup import Check, Finding, Mark
from pipemend.core.clock import Clock, WallClock
from pipemend.core.errors import PipemendError
from pipemend.doctor import examine
from pipemend.doctor.here import chains, share
from pipemend.doctor.running import carry_out
from pipemend.settings import Settings
from tests.fakes.clock import MovingClock
from tests.postgres import fresh_database
from tests.twin.conftest import stage, twin
from tests.twin.stage import FACTORY, Stage

__all__ = ["stage", "twin"]
CHANNEL = "C0ALERTS01"
DISK = "/dev/root / ext4 rw 0 0\n"


@pytest.fixture
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1,localhost")


@dataclass
class Installation:
    """Settings with which everything works, and the twin as the outside."""

    stage: Stage
    given: dict[str, str]
    folder: Path
    clock: Clock

    async def examined(self) -> list[Finding]:
        (self.folder / "mounts").write_text(DISK)
        return await examine(Settings.of(self.given), self.clock, self.folder / "mounts")

    async def wrong(self) -> list[Finding]:
        return [finding for finding in await self.examined() if finding.mark is Mark.WRONG]


@pytest.fixture
async def installation(stage: Stage, tmp_path: Path, no_proxy: None, monkeypatch: pytest.MonkeyPatch) -> Installation:
    own: Mapping[str, Any] = (await stage.get(""))["settings"]
    await stage.put("slack", channels=[CHANNEL])
    given = {name: str(value) for name, value in own.items() if not name.startswith("PLAYBOOK_")} | {
        "AUTO_REMEDIATION_ENABLED": "true",
        "ALLOWED_HOSTS": "127.0.0.1",
        "AZURE_DATA_FACTORY_NAME": FACTORY,
        "PIPEMEND_DATA_DIR": str(tmp_path / "data"),
        "SLACK_ALERT_CHANNEL": CHANNEL,
        "JIRA_PROJECT_KEY": "OPS",
    }
    for name in ("IDENTITY_ENDPOINT", "IDENTITY_HEADER"):
        monkeypatch.setenv(name, given[name])
    return Installation(stage, given, tmp_path, WallClock())


async def test_where_all_is_well_nothing_is_wrong(installation: Installation):
    installation.given |= {"SLACK_OPERATORS": "S0ONCALL01", "SLACK_SIGNING_SECRET": "whatever-it-is"}
    installation.given |= {"SLACK_APP_TOKEN": "xapp-twin", "OPENAI_API_KEY": installation.given["GEMINI_API_KEY"]}
    installation.given |= {"MODEL_ID": "gemini-2.5-flash, openai:gpt-4.1-mini, ollama:llama3.2"}
    installation.given |= {"OPENAI_BASE_URL": f"{installation.stage.base_url}/openai/v1"}
    installation.given |= {"OLLAMA_BASE_URL": f"{installation.stage.base_url}/ollama"}

    found = {finding.name: finding for finding in await installation.examined()}

    assert [finding for finding in found.values() if finding.mark is Mark.WRONG] == []
    assert found[f"Data Factory {FACTORY}: reruns"].mark is Mark.OK
    assert found["Slack: app token"].mark is Mark.OK
    assert {finding.name.partition(":")[0] for finding in found.values() if finding.mark is Mark.OK} >= {
        *("Settings", "Data folder", "Database", "Clock", "Slack", "Jira", "Model gemini-2.5-flash"),
        *("Model gpt-4.1-mini", "Model llama3.2"),
    }
    assert await installation.stage.get("starts") == {"starts": []}
    assert not (installation.folder / "data").exists()


# Close to others that are tried each time.
SOAKED = ("slack app token", "gemini model", "role for a run", "role for activities")


def each_time(cases: Mapping[str, object]) -> list[Any]:
    return [pytest.param(case, marks=pytest.mark.soak) if case in SOAKED else case for case in cases]


BROKEN: Mapping[str, tuple[dict[str, str], tuple[str, str]]] = {
    "factory": (
        {"AZURE_DATA_FACTORY_NAME": "other"},
        ("Data Factory other: token and runs", "AZURE_DATA_FACTORY_NAME"),
    ),
    "databricks token": ({"DATABRICKS_TOKEN": "dapi-wrong"}, ("Databricks {ws}: token and runs", "DATABRICKS_TOKEN")),
    "slack token": ({"SLACK_BOT_TOKEN": "xoxb-wrong"}, ("Slack: bot token", "SLACK_BOT_TOKEN")),
    "slack channel": ({"SLACK_ALERT_CHANNEL": "C0NOTHERE1"}, ("Slack: channel C0NOTHERE1", "SLACK_ALERT_CHANNEL")),
    "slack app token": (
        {"SLACK_APP_TOKEN": "xapp-wrong", "SLACK_OPERATORS": "U0ROSA0001"},
        ("Slack: app token", "SLACK_APP_TOKEN"),
    ),
    "jira token": ({"JIRA_API_TOKEN": "wrong-token"}, ("Jira: token", "JIRA_API_TOKEN")),
    "gemini key": ({"GEMINI_API_KEY": "wrong-key"}, ("Model gemini-2.5-flash", "GEMINI_API_KEY")),
    "gemini model": ({"MODEL_ID": "gemini-0.1-none"}, ("Model gemini-0.1-none", "MODEL_ID")),
    "data folder": ({"PIPEMEND_DATA_DIR": "/proc/nowhere"}, ("Data folder", "PIPEMEND_DATA_DIR")),
    "database": ({"DATABASE_URL": "postgresql://me:s3cret@127.0.0.1:1/none"}, ("Database", "DATABASE_URL")),
    "playbooks": ({"PLAYBOOKS_FILE": "/nowhere.toml"}, ("Settings", "PLAYBOOKS_FILE")),
}


@pytest.mark.parametrize("what", each_time(BROKEN))
async def test_a_wrong_setting_is_named_and_nothing_else(installation: Installation, what: str):
    changes, (name, mends) = BROKEN[what]
    host = installation.given["DATABRICKS_HOST"].rpartition("/")[2]

    installation.given |= changes
    wrong = await installation.wrong()

    assert [finding.name for finding in wrong] == [name.format(adf=FACTORY, ws=host)]
    assert mends in wrong[0].says + wrong[0].mend
    assert all(finding.mend and "\n" not in finding.says + finding.mend for finding in wrong)


FAULTS = {
    "identity": (("identity", None), "token and runs", "managed identity"),
    "role to query": (("arm", "queryPipelineRuns"), "token and runs", "role"),
    "role for a run": (("arm", "getRun"), "one run", "role"),
    "role for activities": (("arm", "queryActivityruns"), "activities of a run", "role"),
    "role for reruns": (("arm", "createRun"), "reruns", "role"),
}


@pytest.mark.parametrize("what", each_time(FAULTS))
async def test_a_role_that_is_missing_is_named_by_what_it_would_allow(installation: Installation, what: str):
    where, name, mends = FAULTS[what]
    await installation.stage.fault(*where, "status", status=403, times=-1)

    wrong = await installation.wrong()

    assert [finding.name for finding in wrong] == [f"Data Factory {FACTORY}: {name}"]
    assert mends in wrong[0].mend


async def test_a_role_for_reruns_is_not_asked_for_while_none_are_started(installation: Installation):
    installation.given |= {"AUTO_REMEDIATION_ENABLED": "false"}
    await installation.stage.fault("arm", "createRun", "status", status=403)

    assert await installation.wrong() == []


async def test_what_slack_and_jira_do_not_allow_is_named(installation: Installation):
    await installation.stage.put("slack", channels=[CHANNEL], withdrawn=["chat:write"])
    await installation.stage.put("jira", forbidden=["ADD_COMMENTS"])

    scopes, rights = await installation.wrong()

    assert (scopes.name, "chat:write" in scopes.says) == ("Slack: scopes", True)
    assert (rights.name, "ADD_COMMENTS" in rights.says) == ("Jira: rights in OPS", True)


@pytest.mark.parametrize(
    ("changes", "says"),
    [({"projects": ["OTHER"]}, "No project"), ({"ends": False}, "stay open")],
    ids=["none", "no end"],
)
async def test_a_project_that_cannot_hold_our_issues_is_named(
    installation: Installation, changes: dict[str, Any], says: str
):
    await installation.stage.put("jira", **changes)

    wrong = await installation.wrong()

    assert [finding.name for finding in wrong] == ["Jira: project OPS"]
    assert says in wrong[0].says


async def test_a_clock_that_is_off_is_named(installation: Installation):
    installation.clock = MovingClock(WallClock().now())
    installation.clock.move(-400)

    (wrong,) = await installation.wrong()

    assert wrong.name == "Clock"
    assert "behind" in wrong.says


async def here(folder: Path, mounts: str = DISK) -> list[tuple[str, str]]:
    """What is found on this machine alone: name and mark."""
    (folder / "mounts").write_text(mounts)
    settings = Settings.of({"PIPEMEND_DATA_DIR": str(folder)})
    return [(found.name, found.mark.value) for found in await carry_out(chains(settings, folder / "mounts"))]


async def test_sqlite_on_a_network_share_is_refused(tmp_path: Path):
    assert await here(tmp_path) == [("Data folder", "ok"), ("Database", "ok")]

    found = await here(tmp_path, f"{DISK}server:/share {tmp_path} nfs4 rw 0 0\n")

    assert found == [("Data folder", "wrong"), ("Database", "not tried")]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("//box/data /mnt cifs rw 0 0", "cifs"),
        ("me@box: /mnt/data fuse.sshfs rw 0 0", "fuse.sshfs"),
        ("box:/x /mnt/dat nfs rw 0 0", None),
        ("box:/x /mnt nfs rw 0 0\n/dev/sdb /mnt/data ext4 rw 0 0", None),
        ("half a line", None),
    ],
)
def test_the_mount_that_is_nearest_says_where_a_folder_is(line: str, found: str | None):
    assert share(Path("/mnt/data"), f"{DISK}{line}\n") == found


async def test_a_file_that_is_no_database_is_named(tmp_path: Path):
    (tmp_path / "pipemend.db").write_bytes(b"this is no database, and was none before" * 50)

    assert await here(tmp_path) == [("Data folder", "ok"), ("Database", "wrong")]


@pytest.mark.soak
async def test_tables_are_looked_at_on_both_databases(
    installation: Installation, database_url: str, request: pytest.FixtureRequest
):
    if database_url.startswith("sqlite"):
        installation.given |= {"PIPEMEND_DATA_DIR": str(installation.folder)}
        assert "its tables are those of this release" in str(await installation.examined())
        return
    installation.given |= {"DATABASE_URL": database_url}
    assert "its tables are those of this release" in str(await installation.examined())

    installation.given |= {"DATABASE_URL": fresh_database(request.getfixturevalue("postgres_server"))}
    (wrong,) = await installation.wrong()
    assert (wrong.name, wrong.mend) == ("Database", "run 'pipemend migrate'")


async def test_something_else_at_our_public_address_is_named(installation: Installation):
    installation.given |= {"PUBLIC_URL": installation.stage.base_url}

    (wrong,) = await installation.wrong()

    assert (wrong.name, "PUBLIC_URL" in wrong.mend) == ("Public address", True)


async def test_no_finding_holds_a_secret(installation: Installation):
    secrets = {name: f"wrong-{name.lower()}" for name in ("SLACK_BOT_TOKEN", "JIRA_API_TOKEN", "GEMINI_API_KEY")}
    installation.given |= secrets
    for service in ("slack", "jira", "gemini"):
        await installation.stage.fault(service, None, "html", status=500, times=-1)

    said = json.dumps([(finding.says, finding.mend) for finding in await installation.examined()])

    assert [secret for secret in secrets.values() if secret in said] == []


async def test_whatever_goes_wrong_becomes_a_line_and_each_check_ends():
    async def stumbles() -> str:
        raise KeyError("s3cret")

    async def hangs() -> str:

        await asyncio.Event().wait()
        return ""

    async def refuses() -> str:
        raise PipemendError("no")

    async def works() -> str:
        return "fine"

    odd, late, no = (Check(name, look, "mend it") for name, look in (("o", stumbles), ("l", hangs), ("n", refuses)))
    found = await carry_out([[odd, Check("after", works, "")], [late], [no], [Check("well", works, "")]], seconds=0.05)

    assert [(finding.name, finding.mark.value) for finding in found] == [
        *(("o", "wrong"), ("after", "not tried"), ("l", "wrong"), ("n", "wrong"), ("well", "ok"))
    ]
    assert "s3cret" not in str(found)


def test_the_command_says_it_in_lines_or_as_json_and_ends_with_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JIRA_DOMAIN", "example.atlassian.net")

    assert doctor.run(as_json=True) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["wrong"] == 1
    assert "JIRA_API_TOKEN" in told["checks"][0]["says"]

    monkeypatch.delenv("JIRA_DOMAIN")
    assert doctor.run(as_json=False) == 0
    assert "nothing wrong" in capsys.readouterr().out
