"""Somebody who listens for heartbeats, and misses them when they stop."""

from ..operations import operation
from ..wire import Answer, Call, text_answer
from ..world import World


def beat(_: World, __: Call) -> Answer:
    return text_answer("OK")


OPERATIONS = (operation("heartbeat", "beat", "GET", "/heartbeat/{name}", beat),)
