"""The whole examination, in the order in which a start would meet the things."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pydantic import SecretStr

from pipemend import bootstrap
from pipemend.clients import connections
from pipemend.clients.http import Http
from pipemend.core.checkup import Chain, ChecksItself, Finding, Mark
from pipemend.core.clock import Clock
from pipemend.core.errors import SettingsError
from pipemend.core.scrub import STARS, scrub
from pipemend.doctor import here, outside
from pipemend.doctor.running import carry_out
from pipemend.settings import Settings

ADVICE = "put right what the line names; docs/reference/settings.md has every setting"
SHORTEST_SECRET = 4  # characters; stars for less would hide words


async def examine(settings: Settings, clock: Clock, mounts: Path = here.MOUNTS) -> list[Finding]:
    """Looks at everything that the settings name. No finding holds a secret of theirs."""
    http = Http()
    try:
        parts = _outside(settings, clock, http)
    except SettingsError as error:
        return [unusable(error)]
    try:
        first = Finding("Settings", Mark.OK, "whole, and every address is of an allowed host")
        theirs: list[Chain] = [chain for part in parts if isinstance(part, ChecksItself) for chain in part.checks()]
        chains = [*here.chains(settings, mounts), *theirs, *outside.chains(settings, http, clock)]
        return [_discreet(finding, _secrets(settings)) for finding in [first, *await carry_out(chains)]]
    finally:
        await http.close()
        for part in parts:
            if close := getattr(part, "close", None):
                await close()


def unusable(error: SettingsError) -> Finding:
    """What is to be said when the settings, or a file that they name, cannot be used."""
    return Finding("Settings", Mark.WRONG, scrub(str(error)), ADVICE)


def _outside(settings: Settings, clock: Clock, http: Http) -> list[object]:
    """Platforms, notifiers and models, as the server has them. Raises SettingsError."""
    books = bootstrap.playbooks_of(settings)
    platforms = bootstrap.platforms(settings, clock, bootstrap.playbooks(settings, clock, http, ""), books, http)
    notifiers = bootstrap.notifiers(settings, books.routes)
    return [*platforms.values(), *notifiers.values(), bootstrap.explainer(settings)]


def _secrets(settings: Settings) -> Sequence[str]:
    """Every secret of the settings and of the connections, longest first."""
    listed = (*connections.factories(settings), *connections.workspaces(settings))
    whole = (settings, *(connection.settings for connection in listed))
    values = (getattr(own, name) for own in whole for name in Settings.model_fields)
    plain = {value.get_secret_value() for value in values if isinstance(value, SecretStr)}
    return sorted((one for one in plain if len(one) >= SHORTEST_SECRET), key=len, reverse=True)


def _discreet(finding: Finding, secrets: Sequence[str]) -> Finding:
    says = scrub(finding.says)
    for secret in secrets:
        says = says.replace(secret, STARS)
    return replace(finding, says=" ".join(says.split()))
