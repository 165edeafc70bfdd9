"""The workflow: three statuses, and transitions whose names lie."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Status:
    id: str
    name: str
    category: str


@dataclass(frozen=True)
class Transition:
    id: str
    name: str
    sources: tuple[str, ...]
    to: Status
    has_screen: bool = False


TO_DO = Status("10000", "To Do", "new")
IN_PROGRESS = Status("10001", "In Progress", "indeterminate")
DONE = Status("10002", "Done", "done")
STATUSES = {status.name: status for status in (TO_DO, IN_PROGRESS, DONE)}
CATEGORIES = {
    "new": (2, "blue-gray", "To Do"),
    "indeterminate": (4, "yellow", "In Progress"),
    "done": (3, "green", "Done"),
}
RESOLUTIONS = ("Done", "Fixed", "Won't Do", "Duplicate")


@dataclass(frozen=True)
class Workflow:
    """`direct` says whether To Do may become Done at once, `resolution_screen` whether Done asks for a resolution,
    `ends` whether there is a Done at all."""

    direct: bool = True
    resolution_screen: bool = False
    ends: bool = True

    def statuses(self) -> list[Status]:
        return [status for status in STATUSES.values() if self.ends or status is not DONE]

    def transitions(self, status: Status) -> list[Transition]:
        """Those possible now."""
        done_from = ("To Do", "In Progress") if self.direct else ("In Progress",)
        table = (
            Transition("11", "Close Issue", ("To Do",), IN_PROGRESS),
            Transition("21", "Resolve", ("In Progress",), TO_DO),
            Transition("41", "QA Review", done_from, DONE, has_screen=self.resolution_screen),
            Transition("51", "Finish", ("Done",), TO_DO),
        )
        known = self.statuses()
        return [transition for transition in table if status.name in transition.sources and transition.to in known]


def status_view(status: Status, base_url: str) -> dict[str, Any]:
    number, colour, name = CATEGORIES[status.category]
    return {
        "self": f"{base_url}/rest/api/3/status/{status.id}",
        "description": "",
        "iconUrl": f"{base_url}/images/icons/statuses/generic.png",
        "name": status.name,
        "id": status.id,
        "statusCategory": {
            "self": f"{base_url}/rest/api/3/statuscategory/{number}",
            "id": number,
            "key": status.category,
            "colorName": colour,
            "name": name,
        },
    }


def transition_view(transition: Transition, base_url: str, *, with_fields: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": transition.id,
        "name": transition.name,
        "to": status_view(transition.to, base_url),
        "hasScreen": transition.has_screen,
        "isGlobal": False,
        "isInitial": False,
        "isAvailable": True,
        "isConditional": False,
        "isLooped": False,
    }
    return {**shown, "fields": _screen() if transition.has_screen else {}} if with_fields else shown


def _screen() -> dict[str, Any]:
    return {
        "resolution": {
            "required": True,
            "schema": {"type": "resolution", "system": "resolution"},
            "name": "Resolution",
            "key": "resolution",
            "operations": ["set"],
            "allowedValues": [{"name": name, "id": str(10000 + n)} for n, name in enumerate(RESOLUTIONS)],
        }
    }
