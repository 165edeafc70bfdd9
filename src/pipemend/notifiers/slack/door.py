"""`POST /slack/interactions`: people press buttons. The signature comes first, then who may.

https://docs.slack.dev/authentication/verifying-requests-from-slack/
"""

import json
import time
from collections.abc import Callable, Sequence
from urllib.parse import parse_qs

from pydantic import SecretStr

from pipemend.core.alert import Call, Door, Press
from pipemend.core.errors import BadDelivery
from pipemend.notifiers.slack.interactions import Interactions

PATH = "/slack/interactions"
WINDOW = 300.0  # seconds; what was signed longer ago may be a replay
STAMP, SIGNATURE = "x-slack-request-timestamp", "x-slack-signature"


class Signed:
    """Lets in what Slack has just signed."""

    def __init__(self, secret: SecretStr, interactions: Interactions, clock: Callable[[], float] = time.time) -> None:
        self._secret, self._interactions, self._clock = secret, interactions, clock

    @property
    def door(self) -> Door:
        return Door(PATH, admits=self.recent, read=self.read, signed=self.signed, keeps=False)

    async def close(self) -> None:
        await self._interactions.close()

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
        """The presses in a body. Raises BadDelivery."""
        try:
            form = parse_qs(call.body.decode(), max_num_fields=10)
            payload = json.loads(form["payload"][0])
        except (ValueError, KeyError, RecursionError):
            raise BadDelivery("no form with a JSON payload", field="payload") from None
        return self._interactions.read(payload)
