"""Definitions of workflows: the closed list of what the twin carries out. Whatever else stands there is an error.

The language: https://learn.microsoft.com/azure/logic-apps/logic-apps-workflow-actions-triggers
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .schema import BadSchema, check_schema

SUCCEEDED, FAILED, SKIPPED, TIMED_OUT = "Succeeded", "Failed", "Skipped", "TimedOut"
STATUSES = (SUCCEEDED, FAILED, SKIPPED, TIMED_OUT)
TYPES = ("String", "Int", "Float", "Bool", "Array", "Object")
COMMON = {"type", "runAfter", "description"}
# What may stand in an action of each type, beside `type`, `runAfter` and `description`; and in its inputs.
KNOWN: dict[str, tuple[set[str], set[str] | None]] = {
    "Http": (
        {"inputs", "limit", "operationOptions"},
        {"method", "uri", "queries", "headers", "body", "authentication", "retryPolicy"},
    ),
    "Response": ({"inputs", "kind", "operationOptions"}, {"statusCode", "headers", "body"}),
    "Compose": ({"inputs"}, None),
    "Query": ({"inputs"}, {"from", "where"}),
    "Select": ({"inputs"}, {"from", "select"}),
    "InitializeVariable": ({"inputs"}, {"variables"}),
    "SetVariable": ({"inputs"}, {"name", "value"}),
    "Wait": ({"inputs"}, {"interval"}),
    "Terminate": ({"inputs"}, {"runStatus", "runError"}),
    "If": ({"expression", "actions", "else"}, None),
    "Switch": ({"expression", "cases", "default"}, None),
    "Scope": ({"actions"}, None),
    "Until": ({"expression", "actions", "limit"}, None),
    "Foreach": ({"foreach", "actions", "runtimeConfiguration"}, None),
}
UNITS = {"Second": 1, "Minute": 60, "Hour": 3600, "Day": 86400}
ONE_AT_A_TIME = {"concurrency": {"repetitions": 1}}
LOOPS = ("Until", "Foreach")
OPTIONS = {"Http": ("DisableAsyncPattern",), "Response": ("Asynchronous",)}
DURATION = re.compile(r"P(?=\d|T\d)(?:(\d+)D)?(?:T(?=\d)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?")


class BadDefinition(ValueError):
    """A definition cannot be carried out; the message says where and why."""


@dataclass(frozen=True)
class Action:
    """One action. `branches` are the actions inside it, by where they stand."""

    name: str
    type: str
    raw: Mapping[str, Any]
    run_after: Mapping[str, tuple[str, ...]]
    branches: Mapping[str, "Actions"] = field(default_factory=dict)

    @property
    def inputs(self) -> Any:
        return self.raw.get("inputs")

    def below(self) -> Iterator["Action"]:
        """It and all actions inside it."""
        yield self
        for actions in self.branches.values():
            for one in actions.values():
                yield from one.below()


Actions = Mapping[str, Action]


@dataclass(frozen=True)
class Definition:
    """A workflow that begins with a request. `runs_at_once` is its trigger's concurrency, None without a limit."""

    schema: Mapping[str, Any]
    validates: bool
    parameters: Mapping[str, Mapping[str, Any]]
    actions: Actions
    runs_at_once: int | None = None
    waiting: int = 0

    def all(self) -> Iterator[Action]:
        for one in self.actions.values():
            yield from one.below()

    @property
    def answers(self) -> bool:
        return any(one.type == "Response" for one in self.all())

    @property
    def answers_later(self) -> bool:
        """Whether its caller gets 202 at once, and the answer at an address."""
        return any(one.type == "Response" and "operationOptions" in one.raw for one in self.all())


def seconds_of(duration: Any) -> float:
    """Of `PT1H30M`. Raises BadDefinition."""
    found = DURATION.fullmatch(duration) if isinstance(duration, str) else None
    if found is None:
        raise BadDefinition(f"{duration!r} is no duration like PT30S")
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return days * 86400.0 + hours * 3600 + minutes * 60 + seconds


def read_definition(raw: Any) -> Definition:
    """The definition in a template, in what the code view shows, or by itself. Raises BadDefinition."""
    plain = _plain(raw)
    _only("the definition", plain, {"$schema", "contentVersion", "parameters", "triggers", "actions", "outputs"})
    if plain.get("outputs"):
        raise BadDefinition("outputs: not known to the twin")
    trigger = _trigger(plain.get("triggers"))
    schema = _object("the trigger's inputs", trigger.get("inputs", {})).get("schema", {})
    try:
        check_schema(schema)
    except BadSchema as wrong:
        raise BadDefinition(f"the trigger's {wrong}") from wrong
    concurrency = _object("runtimeConfiguration", trigger.get("runtimeConfiguration", {})).get("concurrency", {})
    made = Definition(
        schema=schema,
        validates=trigger.get("operationOptions") == "EnableSchemaValidation",
        parameters=_parameters(plain.get("parameters", {})),
        actions=_actions("actions", plain.get("actions"), within=()),
        runs_at_once=concurrency.get("runs"),
        waiting=concurrency.get("maximumWaitingRuns", 10 + int(concurrency.get("runs", 0))),
    )
    _check_as_a_whole(made)
    return made


def _plain(raw: Any) -> Mapping[str, Any]:
    """The definition itself, wherever it stands."""
    whole = _object("the file", raw)
    if "resources" in whole:
        apps = [one for one in whole["resources"] if one.get("type") == "Microsoft.Logic/workflows"]
        if len(apps) != 1:
            raise BadDefinition(f"the template has {len(apps)} Logic Apps; one is due")
        whole = _object("properties", apps[0].get("properties"))
    return _object("definition", whole.get("definition", whole))


def _trigger(triggers: Any) -> Mapping[str, Any]:
    found = _object("triggers", triggers)
    if list(found) != ["manual"]:
        raise BadDefinition("triggers: one with the name 'manual' is due")
    trigger = _object("manual", found["manual"])
    _only("manual", trigger, {"type", "kind", "inputs", "operationOptions", "runtimeConfiguration"})
    _only("manual inputs", trigger.get("inputs", {}), {"schema", "method"})
    settings = _object("runtimeConfiguration", trigger.get("runtimeConfiguration", {}))
    _only("runtimeConfiguration", settings, {"concurrency"})
    _only("concurrency", settings.get("concurrency", {}), {"runs", "maximumWaitingRuns"})
    if (trigger.get("type"), trigger.get("kind", "Http")) != ("Request", "Http"):
        raise BadDefinition("manual: of type Request and kind Http")
    if trigger.get("operationOptions", "EnableSchemaValidation") != "EnableSchemaValidation":
        raise BadDefinition(f"manual operationOptions: {trigger['operationOptions']!r} is not known")
    return trigger


def _parameters(given: Any) -> Mapping[str, Mapping[str, Any]]:
    for name, one in _object("parameters", given).items():
        _only(f"parameter {name}", _object(name, one), {"type", "defaultValue", "metadata"})
        if one.get("type") not in TYPES:
            raise BadDefinition(f"parameter {name}: of type {', '.join(TYPES)}")
    return dict(given)


def _actions(place: str, given: Any, within: tuple[str, ...]) -> Actions:
    read = {name: _action(name, raw, within) for name, raw in _object(place, given).items()}
    for one in read.values():
        for before, statuses in one.run_after.items():
            if before not in read:
                raise BadDefinition(f"{one.name} runAfter: {before} does not stand beside it")
            if not statuses or set(statuses) - set(STATUSES):
                raise BadDefinition(f"{one.name} runAfter {before}: some of {', '.join(STATUSES)}")
    return _in_order(place, read)


def _in_order(place: str, actions: Actions) -> Actions:
    """Each after those it runs after. Raises BadDefinition where a circle keeps some from ever being reached."""
    ordered: dict[str, Action] = {}
    while len(ordered) < len(actions):
        ready = [one for one in actions.values() if one.name not in ordered and set(one.run_after) <= ordered.keys()]
        if not ready:
            raise BadDefinition(f"{place}: {', '.join(actions.keys() - ordered.keys())} can never be reached")
        ordered |= {one.name: one for one in ready}
    return ordered


def _action(name: str, given: Any, within: tuple[str, ...]) -> Action:
    raw = _object(name, given)
    kind = str(raw.get("type"))
    if kind not in KNOWN:
        raise BadDefinition(f"{name}: the type {kind!r} is not known; known: {', '.join(KNOWN)}")
    parts, inputs = KNOWN[kind]
    _only(name, raw, COMMON | parts)
    if inputs is not None:
        _only(f"{name} inputs", _object(f"{name} inputs", raw.get("inputs")), inputs)
    _check_parts(name, raw)
    if raw.get("operationOptions") not in (None, *OPTIONS.get(kind, ())):
        raise BadDefinition(f"{name} operationOptions: {raw['operationOptions']!r} is not known")
    if kind in ("Response", "Terminate") and set(within) & set(LOOPS):
        raise BadDefinition(f"{name}: a {kind} cannot stand in a loop")
    if kind == "InitializeVariable" and within:
        raise BadDefinition(f"{name}: variables are initialized at the top")
    after = {before: tuple(statuses) for before, statuses in _object(name, raw.get("runAfter", {})).items()}
    branches = {where: _actions(f"{name} {where}", one, (*within, kind)) for where, one in _branches(name, raw)}
    return Action(name, kind, raw, after, branches)


def _check_parts(name: str, raw: Mapping[str, Any]) -> None:
    """What stands deeper inside an action, and is no expression."""
    inputs: Any = raw.get("inputs")
    limit = _object(f"{name} limit", raw.get("limit", {}))
    _only(f"{name} limit", limit, {"timeout", "count"} if raw["type"] == "Until" else {"timeout"})
    if "timeout" in limit:
        seconds_of(limit["timeout"])
    if raw.get("runtimeConfiguration", ONE_AT_A_TIME) != ONE_AT_A_TIME:
        raise BadDefinition(f"{name} runtimeConfiguration: one repetition at a time is all the twin knows")
    if raw["type"] == "InitializeVariable":
        for one in inputs["variables"]:
            _only(f"{name} variables", one, {"name", "type", "value"})
    if raw["type"] == "Wait" and inputs["interval"].get("unit") not in UNITS:
        raise BadDefinition(f"{name} interval: a count, and a unit of {', '.join(UNITS)}")
    if raw["type"] in ("If", "Switch", "Until") and "expression" not in raw:
        raise BadDefinition(f"{name}: an expression is due")
    if raw["type"] != "If" and isinstance(raw.get("expression"), dict):
        raise BadDefinition(f"{name} expression: a text is due")


def _branches(name: str, raw: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    if raw["type"] in ("If", "Scope", "Until", "Foreach"):
        yield "actions", raw.get("actions")
    for where in ("else", "default"):
        if where in raw:
            _only(f"{name} {where}", raw[where], {"actions"})
            yield where, raw[where].get("actions")
    for label, case in raw.get("cases", {}).items():
        _only(f"{name} {label}", case, {"case", "actions"})
        yield f"case {label}", case.get("actions")


def _check_as_a_whole(made: Definition) -> None:
    names = [name for one in made.all() for name in (one.name, *one.raw.get("cases", {}))]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise BadDefinition(f"two actions or cases are called {', '.join(sorted(twice))}")
    late = [one for one in made.all() if one.type == "Response" and "operationOptions" in one.raw]
    responses = [one for one in made.all() if one.type == "Response"]
    if made.runs_at_once is not None and len(late) < len(responses):
        raise BadDefinition(
            "InvalidConcurrencyConfiguration: concurrency control is not supported when the workflow contains actions "
            "of type 'Response' without the operationOptions flag set to 'Asynchronous'"
        )
    if late and len(late) < len(responses):
        raise BadDefinition("either all Response actions are asynchronous, or none")


def _object(place: str, given: Any) -> Mapping[str, Any]:
    if not isinstance(given, dict):
        raise BadDefinition(f"{place}: an object is due")
    return given


def _only(place: str, given: Mapping[str, Any], known: set[str]) -> None:
    if strange := set(given) - known:
        raise BadDefinition(f"{place}: {', '.join(sorted(strange))} is not known; known: {', '.join(sorted(known))}")
