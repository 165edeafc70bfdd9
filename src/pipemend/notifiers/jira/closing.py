"""Closing an issue: by the category of the status that a transition leads to. Names and ids of transitions lie."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipemend.core.errors import NotAllowed
from pipemend.notifiers.jira.api import Api, Conflict, JiraRefused

DONE, UNDER_WAY = "done", "indeterminate"
STEPS = 4
NO_WAY = "no transition leads to a closed status"

Transition = Mapping[str, Any]


async def close(api: Api, key: str) -> str:
    """Moves the issue to a closed status and looks whether it is there. Gives the reason why not, else nothing."""
    way = _Way(api, key)
    for _ in range(STEPS):
        if await way.at_its_end():
            return ""
        transition = choose(await way.offered(), way.tried)
        if transition is None:
            return way.objection or NO_WAY
        await way.take(transition)
    return "" if await way.at_its_end() else way.objection or NO_WAY


def choose(offered: Sequence[Transition], tried: set[str]) -> Transition | None:
    """One that leads to a closed status, else one that leads to work under way; without a screen first."""
    free = [t for t in offered if str(t.get("id")) not in tried and t.get("isAvailable") is not False]
    free.sort(key=lambda t: bool(t.get("hasScreen")))
    return next((t for wanted in (DONE, UNDER_WAY) for t in free if category(t.get("to")) == wanted), None)


def category(status: object) -> str:
    found = status.get("statusCategory") if isinstance(status, Mapping) else None
    return str(found.get("key", "")) if isinstance(found, Mapping) else ""


@dataclass
class _Way:
    """One issue on its way: what was tried, and what stood against it."""

    api: Api
    key: str
    tried: set[str] = field(default_factory=set)
    objection: str = ""
    conflicts: int = 0

    async def at_its_end(self) -> bool:
        issue = await self.api.get(f"issue/{self.key}", fields="status")
        return category((issue.get("fields") or {}).get("status")) == DONE

    async def offered(self) -> Sequence[Transition]:
        answer = await self.api.get(f"issue/{self.key}/transitions", expand="transitions.fields")
        return [t for t in answer.get("transitions") or () if isinstance(t, Mapping)]

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
