"""Writes docs/reference/settings.md from the settings themselves: `make docs`."""

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from pipemend.core.sla import LEVELS
from pipemend.settings import VENDOR_HOSTS, Settings

HEAD = """\
# Settings

<!-- Written by `make docs` from src/pipemend/settings.py. Edit that file, or settings_page.py in src/pipemend/cli. -->

Each setting is an environment variable. It may also stand in a file `.env` in the folder where Pipemend is started;
what the environment says wins. They are read once, at start. A value that makes no sense, or half of a group, stops the
start with the name of the setting. An empty value counts as none. A name that is not in this list is not read; one that
is almost in it, or begins as only ours do, stops the start.

Every setting may come from a file instead: `AZURE_CLIENT_SECRET_FILE=/run/secrets/azure` is read as
`AZURE_CLIENT_SECRET`, without the blanks around it. To set both stops the start. Settings marked *secret* are never
logged or shown.
"""
FACTORY = """\
The first three name the factory and go together; without them nothing is watched. With a client secret, tenant and
client id are needed too. Without one the managed identity of the machine is used: `AZURE_CLIENT_ID` alone chooses a
user-assigned one.

On App Service the platform itself sets `IDENTITY_ENDPOINT` and `IDENTITY_HEADER`; elsewhere they may stand in `.env`.
Where only their old names exist, those are taken."""
DATABRICKS = """The host connects the workspace. Without a token the Azure identity above is used: it must be a user or
service principal of the workspace. User and password of the webhook go together."""
PLAYBOOKS = """\
An action whose Logic App has an address here runs through it. Addresses are secrets, for they hold a signature. On Data
Factory there is one action so far, `retry_pipeline`; the other addresses are kept for what is to come and change
nothing yet."""
LISTENERS = """\
Each can be set for single pipelines or teams too, or for them alone: see [who is told](../howto/who-is-told.md).
Address and secret of the webhook go together."""
SINGLE_SIGN_ON = """Issuer, client id and secret go together, with `PUBLIC_URL` and the groups of at least one role:
[how to let people sign in](../howto/let-people-sign-in.md)."""
TICKETS = f"""\
A ticket may stay open for as long as its severity says. Without `SLA_SECONDS`:
{", ".join(f"{severity} {level.sla_seconds}" for severity, level in LEVELS.items())}."""
COMMANDS = """\
## Commands that ask a server

`pipemend deliveries` and what else goes through the API of a running server reads `PIPEMEND_URL`
(`http://127.0.0.1:8000` without it) and `PIPEMEND_TOKEN`, from the environment alone.
"""
HOSTS = f"""\
## Hosts that may be called

Without `ALLOWED_HOSTS` these, and no others. A list of your own replaces them, so name every host you need; `*.` stands
for any name before it. Addresses are https, except on this machine itself.

{chr(10).join(f"- `{host}`" for host in VENDOR_HOSTS)}
"""


@dataclass(frozen=True, slots=True)
class Group:
    """Settings whose names begin alike, under one heading."""

    title: str
    text: str
    begins: tuple[str, ...]


GROUPS = (
    Group("What it may do", "", ("auto_", "approval_", "breaker_", "max_", "starts_", "watch_")),
    Group("Data Factory and its identity", FACTORY, ("azure_", "identity_", "msi_")),
    Group("Databricks", DATABRICKS, ("databricks_", "connections_")),
    Group("Playbooks", PLAYBOOKS, ("playbook",)),
    Group("Slack", "Token and channel go together, and so do signing secret and operators.", ("slack_",)),
    Group("Jira", "The first three go together.", ("jira_",)),
    Group("Teams, PagerDuty, and whoever listens", LISTENERS, ("teams_", "pagerduty_", "webhook_")),
    Group("The model that explains", "", ("gemini_", "model_", "google_", "openai_", "ollama_")),
    Group("Single sign-on", SINGLE_SIGN_ON, ("oidc_",)),
    Group("Tickets", TICKETS, ("sla_", "finops_")),
    Group(
        "The server",
        "",
        (
            "database_",
            "public_",
            "dashboard_",
            "allowed_",
            "pipemend_",
            "retention_",
            "redact_",
            "heartbeat_",
            "log_",
            "metrics_",
        ),
    ),
)
OTHERS = Group("Others", "", ("",))


def page(fields: Mapping[str, FieldInfo] = Settings.model_fields) -> str:
    """The whole page. A setting that no group claims stands at its end."""
    left = dict(fields)
    parts = [HEAD]
    for group in (*GROUPS, OTHERS):
        mine = {name: left.pop(name) for name in list(left) if name.startswith(group.begins)}
        if mine:
            parts.append("\n".join([f"## {group.title}", "", *_told(group.text), *_table(mine)]) + "\n")
    return "\n".join([*parts, HOSTS, COMMANDS])


def _told(text: str) -> Iterable[str]:
    return (text, "") if text else ()


def _table(fields: Mapping[str, FieldInfo]) -> Iterator[str]:
    yield "| setting | meaning | without it |"
    yield "|---|---|---|"
    for name, field in fields.items():
        yield f"| `{name.upper()}` | {_meaning(field)} | {_default(field.default)} |"


def _meaning(field: FieldInfo) -> str:
    words = [field.description or ""]
    if limits := _limits(field):
        words.append(limits)
    if SecretStr in (field.annotation, *get_args(field.annotation)):
        words.append("*Secret.*")
    return " ".join(words).replace("|", "\\|")


def _limits(field: FieldInfo) -> str:
    if get_origin(field.annotation) is Literal:
        return f"One of {', '.join(f'`{word}`' for word in get_args(field.annotation))}."
    found = {edge: getattr(limit, edge) for limit in field.metadata for edge in ("ge", "le") if hasattr(limit, edge)}
    if "le" in found:
        return f"From {found['ge']} to {found['le']}."
    return f"At least {found['ge']}." if "ge" in found and found["ge"] > 1 else ""


def _default(value: Any) -> str:
    if value is None or value == "":
        return "–"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
