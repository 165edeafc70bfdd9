"""`POST /slack/interactions`: people press buttons. The signature comes first, then who may.

https://docs.slack.dev/authentication/verifying-requests-from-slack/
https://docs.slack.dev/reference/interaction-payloads/block_actions-payload/
"""

import hashlib
import json
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import parse_qs

from pydantic import SecretStr

from pipemend.clients.http import Http
from pipemend.core.alert import Call, Door, Press
from pipemend.core.errors import BadDelivery
from pipemend.notifiers.phrases import cut, one_line
from pipemend.notifiers.slack.buttons import command

PATH = "/slack/interactions"
WINDOW = 300.0  # seconds; what was signed longer ago may be a replay
STAMP, SIGNATURE = "x-slack-request-timestamp", "x-slack-signature"
REPLY_SECONDS = 10.0
STRANGER = "you may not do this here: whoever runs Pipemend names in SLACK_OPERATORS who may"


class Interactions:
    """Reads presses. `allows` says whether an address may be called for an answer."""

    def __init__(
        self,
        secret: SecretStr,
        operators: Sequence[str],
        http: Http,
        allows: Callable[[str], bool],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._secret, self._operators = secret, frozenset(operators)
        self._http, self._allows, self._clock = http, allows, clock

    @property
    def door(self) -> Door:
        return Door(PATH, admits=self.recent, read=self.read, signed=self.signed)

    async def close(self) -> None:
        await self._http.close()

    def recent(self, call: Call) -> bool:
        """Whether it says that it was signed just now; asked before the body is read."""
        stamp = call.headers.get(STAMP, "")
        plain = stamp.isascii() and stamp.isdigit() and len(stamp) <= 12
        return plain and abs(self._clock() - int(stamp)) <= WINDOW

    def signed(self, call: Call) -> bool:
        """Whether Slack has signed exactly this body."""
        from slack_sdk.signature import Clock, SignatureVerifier

        signature = call.headers.get(SIGNATURE, "")
        if not signature.isascii():
            return False
        now = Clock()
        now.now = self._clock  # type: ignore[method-assign]
        try:
            verifier = SignatureVerifier(self._secret.get_secret_value(), now)
            return verifier.is_valid(call.body, call.headers.get(STAMP), signature)
        except ValueError:  # the body is no UTF-8, so Slack cannot have sent it
            return False

    def read(self, call: Call) -> Sequence[Press]:
        """The presses in a body; none for links and for what is no press. Raises BadDelivery."""
        payload = _payload(call.body)
        if payload.get("type") != "block_actions":
            return ()
        user = _object(payload.get("user"), "user")
        who, actions = str(user.get("id") or ""), payload.get("actions")
        if not who or not isinstance(actions, list):
            raise BadDelivery("a press without a user or an action", field="payload")
        name = cut(one_line(user.get("username") or user.get("name") or who), 60)
        reply = partial(self._reply, str(payload.get("response_url") or ""))
        once = hashlib.sha256(f"{call.headers.get(STAMP)}|{call.headers.get(SIGNATURE)}".encode()).hexdigest()
        pressed = [self._press(_object(action, "actions"), who, name, reply, once) for action in actions[:5]]
        return [press for press in pressed if press is not None]

    def _press(
        self, action: Mapping[str, Any], who: str, name: str, reply: Callable[[str], Awaitable[None]], once: str
    ) -> Press | None:
        action_id, value = str(action.get("action_id") or ""), str(action.get("value") or "")
        wish = command(action_id, value, f"{name} (Slack {cut(one_line(who), 30)})")
        if wish is None:
            return None
        refusal = "" if who in self._operators else STRANGER
        return Press(command=wish, refusal=refusal, once=f"{once}:{action_id}:{value}", reply=reply)

    async def _reply(self, url: str, words: str) -> None:
        """Tells the person alone. Raises OutsideError."""
        if url and self._allows(url):
            told = {"response_type": "ephemeral", "replace_original": False, "text": words}
            (await self._http.send("Slack", "POST", url, deadline=REPLY_SECONDS, json=told)).checked("Slack")


def _payload(body: bytes) -> Mapping[str, Any]:
    try:
        form = parse_qs(body.decode(), max_num_fields=10)
        found = json.loads(form["payload"][0])
    except (ValueError, KeyError, RecursionError):
        raise BadDelivery("no form with a JSON payload", field="payload") from None
    return _object(found, "payload")


def _object(found: object, field: str) -> Mapping[str, Any]:
    if not isinstance(found, dict):
        raise BadDelivery("it is no JSON object", field=field)
    return found
