"""PagerDuty's Events API v2: alerts are triggered, acknowledged and resolved by their key."""

from collections.abc import Iterator
from typing import Any

from ..listeners import Alert
from ..operations import operation
from ..refusals import pagerduty_error
from ..wire import Answer, Call, Refused, items, json_answer, within
from ..world import World

SEVERITIES = ("critical", "error", "warning", "info")
ACTIONS = {"trigger": "triggered", "acknowledge": "acknowledged", "resolve": "resolved"}
LARGEST = 512 * 1024


def enqueue(world: World, call: Call) -> Answer:
    """Takes an event; what acknowledges or resolves an alert that is not there is taken and dropped."""
    given = call.fields()
    wrong = ["Event object is too large"] if len(call.body) > LARGEST else list(_complaints(given))
    if wrong:
        raise Refused(pagerduty_error(400, *wrong))
    key, action = str(given["routing_key"]), str(given["event_action"])
    if key not in world.listeners.pagerduty.keys:
        raise Refused(pagerduty_error(400, "Invalid routing key"))
    dedup_key = str(given.get("dedup_key") or call.id)
    alert = world.listeners.pagerduty.living(key, dedup_key)
    if alert is None and action == "trigger":
        alert = Alert(key, dedup_key, ACTIONS[action], within(given, "payload"), items(given, "links"))
        world.listeners.pagerduty.alerts.append(alert)
    if alert is not None:
        alert.log.append(action)
        if action != "trigger":
            alert.status = ACTIONS[action]
    return json_answer({"status": "success", "message": "Event processed", "dedup_key": dedup_key}, 202)


def _complaints(given: dict[str, Any]) -> Iterator[str]:
    if len(str(given.get("routing_key") or "")) != 32:
        yield "Length of 'routing_key' is incorrect (should be 32 characters)"
    if given.get("event_action") not in ACTIONS:
        yield "'event_action' is invalid"
    if len(str(given.get("dedup_key") or "")) > 255:
        yield "'dedup_key' is too long"
    if given.get("event_action") == "trigger":
        yield from _payload(within(given, "payload"))


def _payload(payload: dict[str, Any]) -> Iterator[str]:
    for name in ("summary", "source", "severity"):
        if not isinstance(payload.get(name), str) or not payload[name]:
            yield f"'payload.{name}' is missing or blank"
    if len(str(payload.get("summary") or "")) > 1024:
        yield "'payload.summary' is too long"
    if payload.get("severity") not in SEVERITIES:
        yield "'payload.severity' is invalid (must be one of the following: 'critical', 'warning', 'error' or 'info')"


OPERATIONS = (operation("pagerduty", "enqueue", "POST", "/pagerduty/v2/enqueue", enqueue),)
