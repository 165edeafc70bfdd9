"""Reads JSON that somebody sent us, whatever it holds, into values that every database keeps."""

import json
import math
from typing import Any

from pipemend.core.errors import BadDelivery

DEEPEST = 40
LONGEST_NUMBER = 300


def read_json(body: bytes) -> Any:
    """The body as JSON. Raises BadDelivery.

    Texts lose NULs and halves of characters. A number too long to reckon with stays a text, NaN and infinities are
    nothing, of two equal keys the last one counts.
    """
    try:
        text = body.decode(json.detect_encoding(body), "replace")
        value = READER.decode(text)
    except RecursionError:
        raise _too_deep() from None
    except ValueError as error:
        raise BadDelivery(f"the body is no JSON ({error})", field="body") from None
    return value if _is_clean(text) else _clean(value, DEEPEST)


def _is_clean(text: str) -> bool:
    """Whether nothing can need mending, at a glance: what is bad comes escaped, and most bodies escape nothing."""
    return "\\u" not in text and text.count("{") + text.count("[") <= DEEPEST


def _clean(value: Any, room: int) -> Any:
    if isinstance(value, str):
        return _kept(value)
    if isinstance(value, dict | list) and room == 0:
        raise _too_deep()
    if isinstance(value, dict):
        return {_kept(name): _clean(inner, room - 1) for name, inner in value.items()}
    if isinstance(value, list):
        return [_clean(inner, room - 1) for inner in value]
    return value


def _kept(text: str) -> str:
    if text.isascii():
        return text.replace("\x00", "")
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\x00", "")


def _whole(text: str) -> int | str:
    return int(text) if len(text) <= LONGEST_NUMBER else text


def _broken(text: str) -> float | str:
    number = float(text)
    return number if math.isfinite(number) else text


READER = json.JSONDecoder(parse_int=_whole, parse_float=_broken, parse_constant=lambda _: None)


def _too_deep() -> BadDelivery:
    return BadDelivery(f"the body is nested deeper than {DEEPEST} levels", field="body")
