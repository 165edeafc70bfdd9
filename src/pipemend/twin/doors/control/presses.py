"""People press buttons in Slack, and its lines end."""

import json

from ...operations import operation
from ...slack.payloads import find, payload
from ...wire import Answer, Call, json_answer
from ...world import World
from .reading import SERVICE, body, done, not_there, refused

VIAS = ("http", "socket")
PERSON = "U0PERSON00"


def press(world: World, call: Call) -> Answer:
    """Somebody presses a button, as they see it. Without `via` an open socket is taken first, as Slack does."""
    data = body(call, ("button", "message", "about", "user", "name", "via", "stale"))
    label, user = str(data.get("button") or ""), str(data.get("user") or PERSON)
    ts = str(data["message"]) if data.get("message") else None
    found = find(world.slack, label, ts=ts, about=str(data.get("about") or ""), stale=bool(data.get("stale")))
    if found is None:
        raise not_there(f"button {label}")
    via = _via(world, data.get("via"))
    channel, message, _, button = found
    address, secret = world.presses.address(call.base_url)
    told = payload(channel, message, button, user, str(data.get("name") or "person"), address)
    made = world.presses.make(world.slack.settings, user, label, via, told, secret)
    return json_answer(made.as_dict())


def press_again(world: World, call: Call) -> Answer:
    """The same press once more, as after a lost answer."""
    data = body(call, ("via",))
    wanted = call.params["press"]
    old = next((one for one in world.presses.made if str(one.n) == wanted), None)
    if old is None:
        raise not_there(f"press {wanted}")
    made = world.presses.again(world.slack.settings, old, _via(world, data.get("via") or old.via))
    return json_answer(made.as_dict())


def presses(world: World, _: Call) -> Answer:
    return json_answer(
        {"presses": [one.as_dict() for one in world.presses.made], "sockets": len(world.presses.sockets)}
    )


def disconnect(world: World, call: Call) -> Answer:
    """All sockets end."""
    data = body(call, ("reason", "abruptly"))
    reason, abruptly = str(data.get("reason") or "refresh_requested"), bool(data.get("abruptly"))
    world.presses.later(world.presses.sockets.end(reason, abruptly=abruptly))
    return done()


def say_over_sockets(world: World, call: Call) -> Answer:
    """Any message, such as one that Slack never sends: a text as it is, anything else as JSON."""
    said = body(call, ("message",)).get("message")
    text = said if isinstance(said, str) else json.dumps(said)
    world.presses.later(world.presses.sockets.say(text))
    return done()


def _via(world: World, given: object) -> str:
    via = str(given) if given else "socket" if len(world.presses.sockets) else "http"
    if via not in VIAS:
        raise refused(f"via: one of {', '.join(VIAS)}")
    if via == "socket" and not len(world.presses.sockets):
        raise refused("no socket is open")
    if via == "http" and not world.slack.settings.interactions_url:
        raise refused("interactions_url is not set: PUT /twin/slack")
    return via


OPERATIONS = (
    operation(SERVICE, "slackPress", "POST", "/twin/slack/press", press),
    operation(SERVICE, "slackPressAgain", "POST", "/twin/slack/presses/{press}/again", press_again),
    operation(SERVICE, "slackPresses", "GET", "/twin/slack/presses", presses),
    operation(SERVICE, "slackDisconnect", "POST", "/twin/slack/disconnect", disconnect),
    operation(SERVICE, "slackSocketSay", "POST", "/twin/slack/socket/say", say_over_sockets),
)
