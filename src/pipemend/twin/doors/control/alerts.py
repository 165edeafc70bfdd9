"""The action group: where alerts go and which went."""

from dataclasses import asdict

from ...operations import operation
from ...wire import Answer, Call, json_answer
from ...world import World
from .reading import SERVICE, changed, not_there


def put_action_group(world: World, call: Call) -> Answer:
    world.action_group.receiver = changed(world.action_group.receiver, call)
    return json_answer(asdict(world.action_group.receiver))


def listed(world: World, _: Call) -> Answer:
    return json_answer({"alerts": [delivery.as_dict() for delivery in world.action_group.post.deliveries]})


def again(world: World, call: Call) -> Answer:
    number = call.params["n"]
    delivery = world.action_group.again(int(number)) if number.isdecimal() else None
    if delivery is None:
        raise not_there(f"alert {number}")
    return json_answer({"n": delivery.n})


OPERATIONS = (
    operation(SERVICE, "putActionGroup", "PUT", "/twin/action-group", put_action_group),
    operation(SERVICE, "alerts", "GET", "/twin/alerts", listed),
    operation(SERVICE, "alertAgain", "POST", "/twin/alerts/{n}/again", again),
)
