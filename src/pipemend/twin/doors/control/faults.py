"""Faults: making things go wrong, and stopping it."""

from typing import Any

from ...faults import KINDS, Fault
from ...operations import operation
from ...wire import Answer, Call, json_answer
from ...world import World
from .reading import SERVICE, body, done, not_there, refused

SERVICES = (
    *("arm", "identity", "logic_app", "slack", "jira", "teams", "pagerduty", "webhook"),
    *("gemini", "openai", "heartbeat", "databricks", "storage"),
)
MATCH = ("service", "operation", "text", "workspace")
FIELDS = ("match", "kind", "status", "headers", "seconds", "times", "probability", "word", "megabytes", "fields")


def add(world: World, call: Call) -> Answer:
    data = body(call, FIELDS)
    match = data.get("match") or {}
    if data.get("kind") not in KINDS:
        raise refused(f"kind: one of {', '.join(KINDS)}")
    if not isinstance(match, dict) or set(match) - set(MATCH):
        raise refused(f"match: an object with {', '.join(MATCH)}")
    if match.get("service") not in (None, *SERVICES):
        raise refused(f"service: one of {', '.join(SERVICES)}")
    try:
        fault = world.faults.add(int(data.get("times", 1)) or 1, **_fault(data, match))
    except (TypeError, ValueError, AttributeError) as wrong:
        raise refused(str(wrong)) from wrong
    return json_answer({"id": fault.id})


def _fault(data: dict[str, Any], match: dict[str, Any]) -> dict[str, Any]:
    headers = tuple((str(name), str(value)) for name, value in (data.get("headers") or {}).items())
    fields, text = data.get("fields", []), match.get("text")
    if not isinstance(fields, list):
        raise TypeError("fields: a list of names")
    return {
        "kind": data["kind"],
        "service": match.get("service"),
        "operation": match.get("operation"),
        "workspace": match.get("workspace"),
        "texts": (text,) if isinstance(text, str) else tuple(str(part) for part in text or ()),
        "status": int(data["status"]) if data.get("status") else None,
        "headers": headers,
        "seconds": float(data.get("seconds", Fault.seconds)),
        "probability": float(data.get("probability", Fault.probability)),
        "word": str(data.get("word", Fault.word)),
        "megabytes": float(data.get("megabytes", Fault.megabytes)),
        "fields": tuple(str(name) for name in fields),
    }


def listed(world: World, _: Call) -> Answer:
    return json_answer({"faults": world.faults.listed()})


def clear(world: World, _: Call) -> Answer:
    world.faults.clear()
    return done()


def remove(world: World, call: Call) -> Answer:
    if not world.faults.remove(call.params["fault"]):
        raise not_there(f"fault {call.params['fault']}")
    return done()


OPERATIONS = (
    operation(SERVICE, "addFault", "POST", "/twin/faults", add),
    operation(SERVICE, "faults", "GET", "/twin/faults", listed),
    operation(SERVICE, "clearFaults", "DELETE", "/twin/faults", clear),
    operation(SERVICE, "removeFault", "DELETE", "/twin/faults/{fault}", remove),
)
