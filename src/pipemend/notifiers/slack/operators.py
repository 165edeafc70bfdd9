"""Who may press: people by their id, and the members of user groups.

https://docs.slack.dev/reference/methods/usergroups.users.list
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pipemend.core.errors import OutsideError, Unreadable
from pipemend.notifiers.slack.api import Api

GROUP = "S"  # ids of user groups begin so, those of people with U or W
METHOD = "usergroups.users.list"
KEPT, KEPT_TROUBLE = 300.0, 30.0  # seconds
ANSWER_SECONDS = 1.5  # Slack shows the person an error when three are over
STRANGER = "you may not do this here: whoever runs Pipemend names in SLACK_OPERATORS who may"
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Members:
    """Of one group, as known until then. `trouble`: why they could not be read."""

    ids: frozenset[str]
    until: float
    trouble: str = ""


class Operators:
    """Groups are asked for when somebody presses who is not named. What cannot be read lets nobody in."""

    def __init__(self, named: Iterable[str], api: Api, clock: Callable[[], float] = time.monotonic) -> None:
        ids = frozenset(named)
        self._groups = sorted(name for name in ids if name.startswith(GROUP))
        self._people = ids.difference(self._groups)
        self._api, self._clock = api, clock
        self._known: dict[str, Members] = {}
        self._reading = asyncio.Lock()

    async def refusal(self, who: str) -> str:
        """Why this person may not press; empty when they may."""
        if who in self._people:
            return ""
        async with self._reading:
            found = await asyncio.gather(*(self._members(group) for group in self._groups))
        if any(who in members.ids for members in found):
            return ""
        troubles = sorted({members.trouble for members in found if members.trouble})
        if not troubles:
            return STRANGER
        return f"{STRANGER}. User groups count for nothing now, for they could not be read: {'; '.join(troubles)}"

    async def _members(self, group: str) -> Members:
        known = self._known.get(group)
        if known is None or self._clock() >= known.until:
            known = self._known[group] = await self._read(group)
        return known

    async def _read(self, group: str) -> Members:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                answer = await self._api.read(METHOD, usergroup=group)
            users = answer.get("users")
            if not isinstance(users, list):
                raise Unreadable(f"Slack's answer to {METHOD} holds no list of users")
        except (OutsideError, TimeoutError) as error:
            trouble = str(error) or f"Slack did not answer {METHOD} within {ANSWER_SECONDS:g} s"
            log.warning("a user group of SLACK_OPERATORS could not be read", extra={"group": group, "error": trouble})
            return Members(frozenset(), self._clock() + KEPT_TROUBLE, trouble)
        return Members(frozenset(str(user) for user in users), self._clock() + KEPT)
