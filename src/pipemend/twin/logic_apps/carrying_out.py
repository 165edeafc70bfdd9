"""One run of a workflow: its actions, each after those it waits for."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..clock import now
from .definition import FAILED, KNOWN, SKIPPED, SUCCEEDED, TIMED_OUT, UNITS, Action, Actions, Definition, seconds_of
from .http_action import Outside
from .language.evaluation import CannotEvaluate, Scope, filled
from .language.functions import FUNCTIONS, Unfit

BAD = (FAILED, TIMED_OUT)
USUAL_COUNT, USUAL_TIMEOUT = 60, "PT1H"


@dataclass
class Done:
    """What came of one action."""

    status: str
    outputs: Any = None
    error: str = ""


class Terminated(Exception):
    """A Terminate action has ended the run."""


@dataclass(frozen=True)
class Response:
    """What the run answers, and when on its own clock."""

    seconds: float
    status: int
    headers: Mapping[str, str]
    body: Any


@dataclass
class WorkflowRun:
    """Carries a definition out, once. `answer` is set by its Response action."""

    definition: Definition
    body: Any
    parameters: Mapping[str, Any]
    workflow: Mapping[str, Any]
    outside: Outside
    answer: "asyncio.Future[Response]"
    done: dict[str, Done] = field(default_factory=dict)
    variables: dict[str, Any] = field(default_factory=dict)
    items: list[tuple[str, Any]] = field(default_factory=list)

    async def carry_out(self) -> str:
        """Runs to the end; the status of the whole."""
        try:
            return await self._all(self.definition.actions)
        except Terminated as ended:
            return str(ended)

    async def _all(self, actions: Actions) -> str:
        for action in actions.values():
            reached = all(self.done[name].status in wanted for name, wanted in action.run_after.items())
            self.done[action.name] = await self._one(action) if reached else Done(SKIPPED)
            if not reached:
                self._skip_below(action)
        return self._status(actions)

    def _status(self, actions: Actions) -> str:
        """That of the last actions; one that was skipped counts as those before it."""
        followed = {name for one in actions.values() for name in one.run_after}
        ends = [one for one in actions.values() if one.name not in followed]
        return FAILED if any(self._failed(one, actions) for one in ends) else SUCCEEDED

    def _failed(self, action: Action, actions: Actions) -> bool:
        status = self.done[action.name].status
        if status == SKIPPED:
            return any(
                self.done[name].status not in wanted and self._failed(actions[name], actions)
                for name, wanted in action.run_after.items()
            )
        return status in BAD

    def _skip_below(self, action: Action) -> None:
        for one in action.below():
            self.done[one.name] = Done(SKIPPED)

    async def _one(self, action: Action) -> Done:
        try:
            return await _DOES[action.type](self, action)
        except (CannotEvaluate, Unfit) as wrong:
            return Done(FAILED, error=f"InvalidTemplate: {wrong}")

    # what each type does

    async def do_http(self, action: Action) -> Done:
        sent = await self.outside.send(self._fill(action.inputs), action.raw.get("limit", {}))
        return Done(sent.status, sent.outputs, sent.error)

    async def do_response(self, action: Action) -> Done:
        given = self._fill(action.inputs)
        status = FUNCTIONS["int"][2](given.get("statusCode", 200))
        if self.answer.done():
            return Done(FAILED, error="the run has answered already")
        self.answer.set_result(Response(self.outside.seconds, status, given.get("headers", {}), given.get("body")))
        return Done(SUCCEEDED, given)

    async def do_compose(self, action: Action) -> Done:
        return Done(SUCCEEDED, self._fill(action.inputs))

    async def do_query(self, action: Action) -> Done:
        kept = [one for one in self._list(action, "from") if self._with(one, action.inputs["where"]) is True]
        return Done(SUCCEEDED, {"body": kept})

    async def do_select(self, action: Action) -> Done:
        made = [self._with(one, action.inputs["select"]) for one in self._list(action, "from")]
        return Done(SUCCEEDED, {"body": made})

    async def do_initialize_variable(self, action: Action) -> Done:
        for one in action.inputs["variables"]:
            self.variables[one["name"]] = self._fill(one.get("value"))
        return Done(SUCCEEDED)

    async def do_set_variable(self, action: Action) -> Done:
        name = action.inputs["name"]
        if f"variables('{name}')" in str(action.inputs["value"]):
            raise CannotEvaluate(f"the variable {name} cannot be set to something made of itself")
        self.variables[name] = self._fill(action.inputs["value"])
        return Done(SUCCEEDED)

    async def do_wait(self, action: Action) -> Done:
        interval = self._fill(action.inputs["interval"])
        await self.outside.pause(int(interval["count"]) * UNITS[interval["unit"]])
        return Done(SUCCEEDED)

    async def do_terminate(self, action: Action) -> Done:
        raise Terminated(action.inputs["runStatus"])

    async def do_if(self, action: Action) -> Done:
        taken, left = ("actions", "else") if self._holds(action.raw["expression"]) else ("else", "actions")
        return await self._branch(action, taken, left)

    async def do_switch(self, action: Action) -> Done:
        value = self._fill(action.raw["expression"])
        cases = {f"case {label}": case["case"] for label, case in action.raw.get("cases", {}).items()}
        taken = next((where for where, case in cases.items() if case == value), "default")
        return await self._branch(action, taken, *(where for where in action.branches if where != taken))

    async def do_scope(self, action: Action) -> Done:
        return await self._branch(action, "actions")

    async def do_until(self, action: Action) -> Done:
        """Goes on until the expression holds or a limit is reached, also after an iteration that failed."""
        limit = action.raw.get("limit", {})
        ends = self.outside.seconds + seconds_of(limit.get("timeout", USUAL_TIMEOUT))
        for _ in range(int(limit.get("count", USUAL_COUNT))):
            status = await self._all(action.branches["actions"])
            if self._fill(action.raw["expression"]) is True:
                return Done(status)
            if self.outside.seconds >= ends:
                break
        return Done(TIMED_OUT, error="the loop has reached its limit")

    async def do_foreach(self, action: Action) -> Done:
        worst = SUCCEEDED
        for one in self._fill(action.raw["foreach"]):
            self.items.append((action.name, one))
            try:
                status = await self._all(action.branches["actions"])
            finally:
                self.items.pop()
            worst = FAILED if FAILED in (status, worst) else worst
        for one in action.below():
            self.done.setdefault(one.name, Done(SKIPPED))
        return Done(worst)

    async def _branch(self, action: Action, taken: str, *left: str) -> Done:
        for where in left:
            for one in action.branches.get(where, {}).values():
                self._skip_below(one)
        status = await self._all(action.branches.get(taken, {}))
        return Done(status, error="" if status == SUCCEEDED else "ActionFailed: an action failed")

    # what expressions see

    def _fill(self, value: Any) -> Any:
        return filled(value, self._seen())

    def _with(self, item: Any, value: Any) -> Any:
        return filled(value, {**self._seen(), "item": lambda: item})

    def _list(self, action: Action, name: str) -> list[Any]:
        found = self._fill(action.inputs[name])
        if not isinstance(found, list):
            raise CannotEvaluate(f"{name}: a list is due, not {type(found).__name__}")
        return found

    def _holds(self, condition: Any) -> bool:
        """A text with an expression, or an object of functions, as the designer writes them."""
        if isinstance(condition, dict):
            [(name, given)] = condition.items()
            values = [self._holds(one) if isinstance(one, dict) else self._fill(one) for one in _several(given)]
            return bool(FUNCTIONS[name.lower()][2](*values))
        return bool(self._fill(condition) is True)

    def _seen(self) -> Scope:
        return {
            "body": self._body,
            "outputs": lambda name: self.done[name].outputs,
            "result": self._result,
            "triggerbody": lambda: self.body,
            "parameters": lambda name: self.parameters[name],
            "variables": lambda name: self.variables[name],
            "workflow": lambda: self.workflow,
            "item": lambda: self.items[-1][1],
            "items": lambda name: next(item for loop, item in reversed(self.items) if loop == name),
        }

    def _body(self, name: str) -> Any:
        outputs = self.done[name].outputs
        return outputs.get("body") if isinstance(outputs, dict) else None

    def _result(self, name: str) -> list[dict[str, Any]]:
        """What came of each action at the top of a scope."""
        [scope] = [one for one in self.definition.all() if one.name == name]
        at = now().isoformat()
        told = [(one, self.done[one]) for one in scope.branches["actions"]]
        return [
            {"name": name, "status": done.status, "outputs": done.outputs, "error": _error(done), "endTime": at}
            for name, done in told
        ]


def _error(done: Done) -> dict[str, str] | None:
    return {"code": done.error.partition(":")[0], "message": done.error} if done.error else None


def _several(given: Any) -> list[Any]:
    return given if isinstance(given, list) else [given]


_DOES: Mapping[str, Callable[[WorkflowRun, Action], Awaitable[Done]]] = {
    "Http": WorkflowRun.do_http,
    "Response": WorkflowRun.do_response,
    "Compose": WorkflowRun.do_compose,
    "Query": WorkflowRun.do_query,
    "Select": WorkflowRun.do_select,
    "InitializeVariable": WorkflowRun.do_initialize_variable,
    "SetVariable": WorkflowRun.do_set_variable,
    "Wait": WorkflowRun.do_wait,
    "Terminate": WorkflowRun.do_terminate,
    "If": WorkflowRun.do_if,
    "Switch": WorkflowRun.do_switch,
    "Scope": WorkflowRun.do_scope,
    "Until": WorkflowRun.do_until,
    "Foreach": WorkflowRun.do_foreach,
}
if set(_DOES) != set(KNOWN):
    raise RuntimeError("every type of action needs its doing")
