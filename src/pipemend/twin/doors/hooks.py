"""A receiver of signed webhooks, which believes nothing that is not signed, and nothing that is old."""

import base64
import hashlib
import hmac
import time

from ..listeners import WEBHOOK_SECRET, Post
from ..operations import operation
from ..wire import Answer, Call, Refused, text_answer
from ..world import World

WINDOW = 300


def receive(world: World, call: Call) -> Answer:
    """Takes each id once, however often it comes."""
    if not _genuine(call):
        raise Refused(text_answer("the signature is wrong", 401))
    name, body = call.headers["webhook-id"], call.fields()
    known = world.listeners.posts.setdefault(name, Post(name, body, 0))
    known.times += 1
    return Answer(204)


def _genuine(call: Call) -> bool:
    name, at = call.headers.get("webhook-id", ""), call.headers.get("webhook-timestamp", "")
    if not name or not at.isdecimal() or abs(time.time() - int(at)) > WINDOW:
        return False
    key = base64.b64decode(WEBHOOK_SECRET.removeprefix("whsec_"))
    proof = hmac.new(key, f"{name}.{at}.".encode() + call.body, hashlib.sha256).digest()
    wanted = f"v1,{base64.b64encode(proof).decode()}"
    return any(hmac.compare_digest(wanted, one) for one in call.headers.get("webhook-signature", "").split())


OPERATIONS = (operation("webhook", "receive", "POST", "/hooks/{name}", receive),)
