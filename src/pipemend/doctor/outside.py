"""Checks of what no plug-in owns: addresses, playbooks, our own public address, the clock."""

from collections.abc import Iterator, Sequence
from functools import partial

from pipemend.clients import connections
from pipemend.clients.answers import date
from pipemend.clients.http import Http
from pipemend.core.checkup import Amiss, Chain, Check, NotTried
from pipemend.core.clock import Clock
from pipemend.core.errors import NoAnswer, OutsideError, Unreachable
from pipemend.settings import ACTIONS, Settings

SECONDS = 10.0
KEEP_TIME = "let this machine keep its time (NTP)"
MOST_OFF = 60.0  # seconds; Slack's and webhooks' signatures bear five minutes, tokens about as much
# Whose answers tell the time, whoever asks. Not those whose address alone does something.
TELL_TIME = ("AZURE_RESOURCE_MANAGER_URL", "DATABRICKS_HOST", "SLACK_API_URL", "JIRA_DOMAIN", "GOOGLE_GEMINI_BASE_URL")


def chains(settings: Settings, http: Http, clock: Clock) -> Sequence[Chain]:
    found = [
        Check("Public address", partial(_public, settings, http), "set PUBLIC_URL to where people reach this server"),
        Check("Clock", partial(_clock, settings, http, clock), KEEP_TIME),
    ]
    return [*([check] for check in _playbooks(settings)), *([check] for check in found)]


def _playbooks(settings: Settings) -> Iterator[Check]:
    """Their addresses were judged with the settings; to call one would start something."""

    async def not_called() -> str:
        raise NotTried("the address is well-formed and its host allowed; it is not called, for that would start it")

    for action, name in ACTIONS.items():
        if settings.playbook(action):
            yield Check(f"Playbook {action}", not_called, f"look at {name}")


async def _public(settings: Settings, http: Http) -> str:
    if not settings.public_url:
        raise NotTried("PUBLIC_URL is not set: messages have no links, and playbooks cannot call back")
    try:
        answer = await http.send("PUBLIC_URL", "GET", f"{settings.public_url}/healthz", deadline=SECONDS)
    except (Unreachable, NoAnswer) as error:
        raise NotTried(f"{error}: no server runs there, or it cannot be reached from this machine") from None
    if not answer.good:
        raise Amiss(
            f"PUBLIC_URL answers {answer.status} for /healthz: something else than Pipemend is there",
            "set PUBLIC_URL to where people reach this server, and let the proxy pass /healthz on",
        )
    return "the server answers there"


async def _clock(settings: Settings, http: Http, clock: Clock) -> str:
    """By the Date of the first answer, whatever else it says."""
    for name, address in _tell_time(settings):
        try:
            answer = await http.send(name, "GET", address, deadline=SECONDS)
        except OutsideError:
            continue  # that it cannot be reached is said by whose it is
        if there := date(answer.headers.get("date", "")):
            off = (clock.now() - there).total_seconds()
            if abs(off) > MOST_OFF:
                way = "ahead of" if off > 0 else "behind"
                raise Amiss(f"our clock is {abs(off):.0f} s {way} that of {name}", KEEP_TIME)
            return f"as that of {name}, within {MOST_OFF:g} s"
    raise NotTried("nobody whom we call has told the time")


def _tell_time(settings: Settings) -> Iterator[tuple[str, str]]:
    listed = (*connections.factories(settings), *connections.workspaces(settings))
    for own in (settings, *(connection.settings for connection in listed)):
        addresses = own.addresses()
        yield from ((name, addresses[name]) for name in TELL_TIME if name in addresses)
