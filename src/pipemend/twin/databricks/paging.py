"""Pages of things that have a moment and an id, newest first."""

import base64
import binascii
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

Item = TypeVar("Item")
Place = tuple[int, int]


class BadToken(ValueError):
    """The page token is none of ours."""


def page(
    items: Iterable[Item], place: Callable[[Item], Place], token: str | None, size: int, offset: int = 0
) -> tuple[list[Item], dict[str, Any]]:
    """One page, and `has_more` with the tokens of its neighbours. Raises BadToken.

    A token names a neighbour of the page and not a number, so that new things shift nothing.
    """
    ordered = sorted(items, key=place, reverse=True)
    start = _start(ordered, place, token, size) if token else offset
    shown, more = ordered[start : start + size], start + size < len(ordered)
    found: dict[str, Any] = {"has_more": more}
    if more:
        found["next_page_token"] = _token("next", place(shown[-1]))
    if start > 0 and shown:
        found["prev_page_token"] = _token("prev", place(shown[0]))
    return shown, found


def _start(ordered: list[Item], place: Callable[[Item], Place], token: str, size: int) -> int:
    word, neighbour = _read(token)
    if word == "prev":
        return max(sum(1 for item in ordered if place(item) > neighbour) - size, 0)
    return sum(1 for item in ordered if place(item) >= neighbour)


def _token(word: str, place: Place) -> str:
    return base64.urlsafe_b64encode(f"{word}:{place[0]}:{place[1]}".encode()).decode()


def _read(token: str) -> tuple[str, Place]:
    try:
        word, moment, number = base64.urlsafe_b64decode(token.encode()).decode().split(":")
        if word not in ("next", "prev"):
            raise ValueError(word)
        return word, (int(moment), int(number))
    except (ValueError, binascii.Error) as wrong:
        raise BadToken(token) from wrong
