"""Closing and reopening an issue: by the category of the status that a transition leads to. Names and ids lie."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipemend.core.errors import NotAllowed, Unreadable
from pipemend.notifiers.jira.api import Api, Conflict, JiraRefused, listed

NEW, UNDER_WAY, DONE = "new", "indeterminate", "done"
STEPS = 4

Transition = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Goal:
    """Where an issue is to go: the categories that lead there, the best first."""

    closed: bool
    by: tuple[str, ...]
    no_way: str


CLOSED = Goal(True, (DONE, UNDER_WAY), "no transition leads to a closed status")
OPEN = Goal(False, (NEW, UNDER_WAY), "no transition leads out of the closed status")


async def close(api: Api, key: str) -> str:
    """Moves the issue to a closed status and looks whether it is there. Gives the reason why not, else nothing."""
    return await _lead(_Way(api, key, CLOSED))


async def reopen(api: Api, key: str) -> str:
    """Moves a closed issue to an open status; one that is open stays. Gives the reason why not, else nothing."""
    return await _lead(_Way(api, key, OPEN))


async def _lead(way: "_Way") -> str:
    for _ in range(STEPS):
        if await way.at_its_end():
            return ""
        transition = choose(await way.offered(), way.tried, way.goal)
        if transition is None:
            return way.objection or way.goal.no_way
        await way.take(transition)
    return "" if await way.at_its_end() else way.objection or way.goal.no_way


def choose(offered: Sequence[Transition], tried: set[str], goal: Goal) -> Transition | None:
    """One that leads where the goal is, else one that leads nearer; without a screen first."""
    free = [t for t in offered if str(t.get("id")) not in tried and t.get("isAvailable") is not False]
    free.sort(key=lambda t: bool(t.get("hasScreen")))
    return next((t for wanted in goal.by for t in free if category(t.get("to")) == wanted), None)


def category(status: object) -> str:
    found = status.get("statusCategory") if isinstance(status, Mapping) else None
    return str(found.get("key", "")) if isinstance(found, Mapping) else ""


@dataclass
class _Way:
    """One issue on its way: what was tried, and what stood against it."""

    api: Api
    key: str
    goal: Goal
    tried: set[str] = field(default_factory=set)
    objection: str = ""
    conflicts: int = 0

    async def at_its_end(self) -> bool:
        issue = await self.api.get(f"issue/{self.key}", fields="status")
        fields = issue.get("fields")
        if not isinstance(fields, Mapping) or not category(fields.get("status")):
            raise Unreadable(f"Jira did not say what the status of {self.key} is")
        return (category(fields["status"]) == DONE) is self.goal.closed

    async def offered(self) -> Sequence[Transition]:
        answer = await self.api.get(f"issue/{self.key}/transitions", expand="transitions.fields")
        return listed(answer, "transitions")

    async def take(self, transition: Transition) -> None:
        """Goes one step. A transition that was refused is not tried again."""
        name = str(transition.get("id"))
        try:
            await self._go(name, transition)
        except Conflict:
            self._count_conflict()
        except JiraRefused as refused:
            if not refused.errors and not self.conflicts:  # older sites say 400 where two act at once
                self._count_conflict()
            else:
                self._note(name, refused)
        except NotAllowed as refused:
            if refused.status == 401:
                raise
            self._note(name, refused)
        else:
            self.tried.add(name)

    async def _go(self, name: str, transition: Transition) -> None:
        path, body = f"issue/{self.key}/transitions", {"transition": {"id": name}}
        try:
            await self.api.post(path, body)
        except JiraRefused as refused:
            if "resolution" not in refused.errors:
                raise
            await self.api.post(path, {**body, "fields": {"resolution": {"name": _resolution(transition)}}})

    def _count_conflict(self) -> None:
        """Once the issue is read again at once; after that later."""
        self.conflicts += 1
        if self.conflicts > 1:
            raise Conflict(f"somebody else keeps changing {self.key}")

    def _note(self, name: str, refused: JiraRefused | NotAllowed) -> None:
        self.tried.add(name)
        self.objection = str(refused)


def _resolution(transition: Transition) -> str:
    """Done, or the first resolution that this site has instead."""
    fields = transition.get("fields")
    asked = fields.get("resolution") if isinstance(fields, Mapping) else None
    allowed = asked.get("allowedValues") if isinstance(asked, Mapping) else None
    names = [str(value.get("name")) for value in allowed or () if isinstance(value, Mapping) and value.get("name")]
    return "Done" if "Done" in names or not names else names[0]
