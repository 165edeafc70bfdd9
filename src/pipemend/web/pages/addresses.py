"""The view is the address: links that change some words of it."""

from dataclasses import dataclass
from urllib.parse import urlencode

from pipemend.web.asked import Query


@dataclass(frozen=True, slots=True)
class Pages:
    """Which lines of all are shown, and where those before and after them are."""

    first: int
    last: int
    before: str | None
    after: str | None


def pages_of(path: str, query: Query, total: int) -> Pages:
    first, last = query.offset + 1, min(query.offset + query.page_size, total)
    return Pages(
        first,
        last,
        address(path, query, page=query.page - 1) if query.page > 1 else None,
        address(path, query, page=query.page + 1) if last < total else None,
    )


def address(path: str, query: Query, **changes: object) -> str:
    """The same view with some words changed; what is as usual is left out."""
    usual = type(query)()
    given = {**query.model_dump(), **changes}
    kept = {name: str(value) for name, value in given.items() if value not in (None, "", getattr(usual, name))}
    return f"{path}?{urlencode(kept)}" if kept else path
