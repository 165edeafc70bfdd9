"""How each kind of fault looks on the wire."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from .faults import KINDS, Fault
from .line import Line
from .refusals import refusal
from .wire import Answer, html_answer

STATUS_KEYS = ("status", "finishReason")


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


async def _garbage(scene: Scene) -> int:
    headers = (("Content-Type", "application/json; charset=utf-8"), *scene.fault.headers)
    return await _send(scene, Answer(200, b'{"value": [\x00\xff{"runId": 12', headers))


async def _slow_drip(scene: Scene) -> int:
    answer = scene.do()
    await scene.line.drip(answer, scene.fault.seconds)
    return answer.status


async def _unknown_status(scene: Scene) -> int:
    return await _send(scene, with_unknown_word(scene.do(), scene.fault.word))


async def _half_close(scene: Scene) -> None:
    await scene.line.half_close(scene.do(), scene.fault.seconds)


async def _wrong_length(scene: Scene) -> None:
    await scene.line.cut_short(scene.do())


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
    "garbage": _garbage,
    "slow_drip": _slow_drip,
    "unknown_status": _unknown_status,
    "half_close": _half_close,
    "wrong_length": _wrong_length,
}
if set(_PLAYS) != set(KINDS):
    raise RuntimeError("every kind of fault needs its play")


def with_unknown_word(answer: Answer, word: str) -> Answer:
    """The answer with every status replaced by a word that nobody has published."""
    try:
        data = json.loads(answer.body)
    except ValueError:
        return answer
    return replace(answer, body=json.dumps(_replaced(data, word)).encode())


def _replaced(data: Any, word: str) -> Any:
    if isinstance(data, list):
        return [_replaced(item, word) for item in data]
    if not isinstance(data, dict):
        return data
    return {k: word if k in STATUS_KEYS and isinstance(v, str) else _replaced(v, word) for k, v in data.items()}
