"""How each kind of fault looks on the wire."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from . import spoiled
from .faults import KINDS, Fault
from .line import Line
from .refusals import refusal
from .wire import Answer, html_answer


@dataclass(frozen=True)
class Scene:
    """A request that a fault has hit: the line, the fault, and `do`, which carries the request out."""

    line: Line
    fault: Fault
    service: str
    do: Callable[[], Answer]


async def break_it(scene: Scene) -> int | None:
    """Plays the fault; the status that the caller could read, if any."""
    return await _PLAYS[scene.fault.kind](scene)


async def _timeout_before(scene: Scene) -> None:
    await scene.line.hold(scene.fault.seconds)


async def _timeout_after(scene: Scene) -> None:
    scene.do()
    await scene.line.hold(scene.fault.seconds)


async def _drop_before(scene: Scene) -> None:
    await scene.line.drop()


async def _drop_after(scene: Scene) -> None:
    scene.do()
    await scene.line.drop()


async def _status(scene: Scene) -> int:
    answer = refusal(scene.service, scene.fault.status or 503)
    return await _send(scene, replace(answer, headers=(*answer.headers, *scene.fault.headers)))


async def _status_after(scene: Scene) -> int:
    scene.do()
    return await _status(scene)


async def _html(scene: Scene) -> int:
    return await _send(scene, html_answer(scene.fault.status or 200, scene.fault.headers))


async def _html_after(scene: Scene) -> int:
    scene.do()
    return await _html(scene)


async def _empty(scene: Scene) -> int:
    return await _send(scene, Answer(scene.fault.status or 200, headers=scene.fault.headers))


async def _empty_after(scene: Scene) -> int:
    scene.do()
    return await _empty(scene)


async def _garbage(scene: Scene) -> int:
    headers = (("Content-Type", "application/json; charset=utf-8"), *scene.fault.headers)
    return await _send(scene, Answer(200, b'{"value": [\x00\xff{"runId": 12', headers))


async def _slow_drip(scene: Scene) -> int:
    answer = scene.do()
    await scene.line.drip(answer, scene.fault.seconds)
    return answer.status


async def _slow_head(scene: Scene) -> int:
    answer = scene.do()
    await scene.line.drip_head(answer, scene.fault.seconds)
    return answer.status


async def _unknown_status(scene: Scene) -> int:
    return await _send(scene, spoiled.with_unknown_word(scene.do(), scene.fault.word))


async def _fields_missing(scene: Scene) -> int:
    return await _send(scene, spoiled.without_fields(scene.do(), scene.fault.fields))


async def _fields_null(scene: Scene) -> int:
    return await _send(scene, spoiled.with_nulls(scene.do(), scene.fault.fields))


async def _fields_extra(scene: Scene) -> int:
    return await _send(scene, spoiled.with_extra_fields(scene.do()))


async def _fields_wrong(scene: Scene) -> int:
    return await _send(scene, spoiled.with_wrong_types(scene.do(), scene.fault.fields))


async def _huge(scene: Scene) -> int:
    answer = _with_room(scene.do())
    await scene.line.pour(answer, spoiled.huge(scene.fault.megabytes))
    return answer.status


async def _gzip_bomb(scene: Scene) -> int:
    answer = _with_room(scene.do())
    packed = replace(answer, headers=(*answer.headers, ("Content-Encoding", "gzip")))
    return await _send(scene, replace(packed, body=spoiled.bomb(scene.fault.megabytes)))


async def _half_close(scene: Scene) -> None:
    await scene.line.half_close(scene.do(), scene.fault.seconds)


async def _wrong_length(scene: Scene) -> None:
    await scene.line.cut_short(scene.do())


def _with_room(answer: Answer) -> Answer:
    """The answer with a status that may have a body."""
    return replace(answer, status=200) if answer.status in (204, 304) else answer


async def _reset(scene: Scene) -> None:
    await scene.line.reset(scene.do())


async def _send(scene: Scene, answer: Answer) -> int:
    await scene.line.send(answer)
    return answer.status


_PLAYS: dict[str, Callable[[Scene], Awaitable[int | None]]] = {
    "timeout_before": _timeout_before,
    "timeout_after": _timeout_after,
    "drop_before": _drop_before,
    "drop_after": _drop_after,
    "status": _status,
    "status_after": _status_after,
    "html": _html,
    "html_after": _html_after,
    "empty": _empty,
    "empty_after": _empty_after,
    "garbage": _garbage,
    "slow_drip": _slow_drip,
    "slow_head": _slow_head,
    "half_close": _half_close,
    "wrong_length": _wrong_length,
    "reset": _reset,
    "huge": _huge,
    "gzip_bomb": _gzip_bomb,
    "unknown_status": _unknown_status,
    "fields_missing": _fields_missing,
    "fields_null": _fields_null,
    "fields_extra": _fields_extra,
    "fields_wrong": _fields_wrong,
}
if set(_PLAYS) != set(KINDS):
    raise RuntimeError("every kind of fault needs its play")
