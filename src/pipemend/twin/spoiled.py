"""Answers that came out wrong: words nobody has published, fields that are gone, and more bytes than anybody wants."""

import json
import zlib
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Any

from .wire import Answer

STATUS_KEYS = ("status", "finishReason", "state", "life_cycle_state", "result_state")
PIECE = 64 * 1024
EXTRA = {"reticulated": {"splines": [1, None, {"unheard": True}]}, "": None}


def with_unknown_word(answer: Answer, word: str) -> Answer:
    """The answer with every status replaced by a word that nobody has published."""
    return _edited(answer, lambda name, value: word if name in STATUS_KEYS and isinstance(value, str) else value)


def without_fields(answer: Answer, names: Collection[str]) -> Answer:
    """The answer without these fields, wherever they are; without any when no names are given."""
    data = _json(answer)
    return _with(answer, _stripped(data, names) if names else {})


def with_nulls(answer: Answer, names: Collection[str]) -> Answer:
    """The answer with these fields null, wherever they are; with all of the outermost null when no names are given."""
    if names:
        return _edited(answer, lambda name, value: None if name in names else value)
    data = _json(answer)
    return _with(answer, dict.fromkeys(data) if isinstance(data, dict) else None)


def with_extra_fields(answer: Answer) -> Answer:
    """The answer with fields nobody has heard of in every object."""
    return _with(answer, _extended(_json(answer)))


def with_wrong_types(answer: Answer, names: Collection[str]) -> Answer:
    """The answer with texts where lists are due and the other way round; only these fields, when names are given."""
    return _edited(answer, lambda name, value: _other(value) if not names or name in names else value)


def huge(megabytes: float) -> Iterator[bytes]:
    """A JSON text that does not end for a long time."""
    yield b'{"value": ["'
    piece = b"x" * PIECE
    for _ in range(int(megabytes * 1024 * 1024) // PIECE):
        yield piece
    yield b'"]}'


@lru_cache(maxsize=4)
def bomb(megabytes: float) -> bytes:
    """A small body that unpacks to this much."""
    packer = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    return b"".join([*(packer.compress(piece) for piece in huge(megabytes)), packer.flush()])


def _json(answer: Answer) -> Any:
    try:
        return json.loads(answer.body)
    except ValueError:
        return None


def _with(answer: Answer, data: Any) -> Answer:
    """The answer with another body; one without a body has nothing to spoil."""
    return replace(answer, body=json.dumps(data).encode()) if answer.body else answer


def _edited(answer: Answer, edit: Callable[[str, Any], Any]) -> Answer:
    return _with(answer, _walked(_json(answer), edit))


def _walked(data: Any, edit: Callable[[str, Any], Any]) -> Any:
    if isinstance(data, list):
        return [_walked(item, edit) for item in data]
    if not isinstance(data, dict):
        return data
    changed = {name: (edit(name, value), value) for name, value in data.items()}
    return {name: _walked(new, edit) if new is was else new for name, (new, was) in changed.items()}


def _stripped(data: Any, names: Collection[str]) -> Any:
    if isinstance(data, list):
        return [_stripped(item, names) for item in data]
    if not isinstance(data, dict):
        return data
    return {name: _stripped(value, names) for name, value in data.items() if name not in names}


def _extended(data: Any) -> Any:
    if isinstance(data, list):
        return [_extended(item) for item in data]
    if not isinstance(data, dict):
        return data
    return {name: _extended(value) for name, value in data.items()} | EXTRA


def _other(value: Any) -> Any:
    if isinstance(value, list):
        return "a list was due"
    if isinstance(value, dict):
        return [value]
    return {"was": value} if isinstance(value, str) else [value]
