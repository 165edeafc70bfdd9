"""Blobs come and go, and so does the right to see them."""

import re
from dataclasses import asdict

from ...operations import Operation, operation
from ...wire import Answer, Call, json_answer
from ...world import World
from ..storage import BLOB, name_of
from .reading import SERVICE, changed, not_there

PATH = re.compile("/twin/storage" + BLOB)


def show(world: World, _: Call) -> Answer:
    return json_answer({**asdict(world.storage.rights), "blobs": sorted(world.storage.blobs)})


def put_rights(world: World, call: Call) -> Answer:
    world.storage.rights = changed(world.storage.rights, call)
    return show(world, call)


def put_blob(world: World, call: Call) -> Answer:
    world.storage.put(name_of(call))
    return json_answer({"url": f"{call.base_url}/storage/{name_of(call)}"})


def delete_blob(world: World, call: Call) -> Answer:
    if world.storage.blobs.pop(name_of(call), None) is None:
        raise not_there(f"blob {name_of(call)}")
    return show(world, call)


OPERATIONS = (
    operation(SERVICE, "storage", "GET", "/twin/storage", show),
    operation(SERVICE, "putStorage", "PUT", "/twin/storage", put_rights),
    Operation(SERVICE, "putBlob", "PUT", PATH, put_blob),
    Operation(SERVICE, "deleteBlob", "DELETE", PATH, delete_blob),
)
