"""What Slack says when somebody presses a button: the same by the door and by the socket.

https://docs.slack.dev/reference/interaction-payloads/block_actions-payload/
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from pipemend.clients.http import Http
from pipemend.core.alert import Press
from pipemend.core.errors import BadDelivery
from pipemend.notifiers.phrases import cut, one_line
from pipemend.notifiers.slack.buttons import command
from pipemend.notifiers.slack.operators import Operators

AT_ONCE = 5
REPLY_SECONDS = 10.0


class Interactions:
    """Reads presses. `allows` says whether an address may be called for an answer."""

    def __init__(self, operators: Operators, http: Http, allows: Callable[[str], bool]) -> None:
        self._operators, self._http, self._allows = operators, http, allows

    def read(self, payload: object) -> Sequence[Press]:
        """The presses in a payload; none for links and for what is no press. Raises BadDelivery."""
        told = an_object(payload, "payload")
        if told.get("type") != "block_actions":
            return ()
        user = an_object(told.get("user"), "user")
        who, actions = str(user.get("id") or ""), told.get("actions")
        if not who or not isinstance(actions, list):
            raise BadDelivery("a press without a user or an action", field="payload")
        found = [self._press(told, user, who, an_object(action, "actions")) for action in actions[:AT_ONCE]]
        return [press for press in found if press is not None]

    def _press(
        self, told: Mapping[str, Any], user: Mapping[str, Any], who: str, action: Mapping[str, Any]
    ) -> Press | None:
        action_id, value = str(action.get("action_id") or ""), str(action.get("value") or "")
        name = cut(one_line(user.get("username") or user.get("name") or who), 60)
        wish = command(action_id, value, f"{name} (Slack {cut(one_line(who), 30)})")
        if wish is None:
            return None
        # Slack gives every press a trigger of its own, and keeps it when it sends the press again.
        marks = (who, action_id, value, str(action.get("action_ts") or ""), str(told.get("trigger_id") or ""))
        return Press(
            command=wish,
            once=hashlib.sha256(repr(marks).encode("utf-8", "replace")).hexdigest(),
            refusal=partial(self._operators.refusal, who),
            reply=partial(self._reply, str(told.get("response_url") or "")),
        )

    async def _reply(self, url: str, words: str) -> None:
        """Tells the person alone. Raises OutsideError."""
        if url and self._allows(url):
            told = {"response_type": "ephemeral", "replace_original": False, "text": words}
            (await self._http.send("Slack", "POST", url, deadline=REPLY_SECONDS, json=told)).checked("Slack")

    async def close(self) -> None:
        await self._http.close()


def an_object(found: object, field: str) -> Mapping[str, Any]:
    """Raises BadDelivery when it is none."""
    if not isinstance(found, dict):
        raise BadDelivery("it is no JSON object", field=field)
    return found
