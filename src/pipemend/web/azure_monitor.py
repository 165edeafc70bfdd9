"""The door for Azure Monitor's action groups: who may come in, and which platform reads what an alert speaks of."""

import hmac
from collections.abc import Iterator, Mapping

from pipemend.clients.azure_monitor import open_envelope
from pipemend.core.alert import Alert, Call, Door, Reading, Signal
from pipemend.core.ports import Platform

PATH = "/azure-monitor"
HEADER = "x-pipemend-secret"
# Alerts on what these keep may be about runs of any platform.
STORES = ("microsoft.operationalinsights/workspaces", "microsoft.insights/components", "")


def door(secret: str, platforms: Mapping[str, Platform]) -> Door:
    """The secret comes as `?secret=`, as the rest of the path, or in the header `X-Pipemend-Secret`."""

    def admits(call: Call) -> bool:
        given = (call.query.get("secret"), call.path.removeprefix(PATH).lstrip("/"), call.headers.get(HEADER))
        return True in [hmac.compare_digest(word.encode(), secret.encode()) for word in given if word]

    return Door(PATH, admits, lambda call: read(call.body, platforms))


def read(body: bytes, platforms: Mapping[str, Platform]) -> Reading:
    """The alerts in the body, each once, or why it opens nothing. Raises BadDelivery."""
    envelope = open_envelope(body)
    if envelope.ignored:
        return Reading(ignored=envelope.ignored)
    alerts = tuple(dict.fromkeys(_alerts(envelope.signals, platforms)))
    if not platforms:
        return Reading(ignored="no platform is connected that could read it")
    if not alerts:
        return Reading(ignored=_not_ours(envelope.signals))
    return Reading(alerts, platform=alerts[0].platform)


def _alerts(signals: tuple[Signal, ...], platforms: Mapping[str, Platform]) -> Iterator[Alert]:
    for signal in signals:
        kind = resource_type(signal.target)
        for platform in platforms.values():
            if kind in STORES or _reads(platform, kind):
                alert = platform.read(signal)
                if alert is not None:
                    yield alert
                    break


def resource_type(target: str | None) -> str:
    """`microsoft.datafactory/factories` of a factory's id; empty where the target is missing or holds no resource."""
    parts = [part for part in (target or "").lower().split("/") if part]
    if "providers" not in parts:
        return ""
    rest = parts[len(parts) - parts[::-1].index("providers") :]
    return "/".join([*rest[:1], *rest[1::2]])


def _reads(platform: Platform, kind: str) -> bool:
    return any(kind == own or kind.startswith(f"{own}/") for own in platform.resource_types)


def _not_ours(signals: tuple[Signal, ...]) -> str:
    kinds = sorted({resource_type(signal.target) for signal in signals} - {""})
    about = f" (it is about {', '.join(kinds)})" if kinds else ""
    return f"no pipeline and no run of ours is named{about}"
