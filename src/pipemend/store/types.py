"""Column types that read alike on SQLite and PostgreSQL."""

from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.types import TypeDecorator

from pipemend.core.clock import moment, stamp


class Instant(TypeDecorator[datetime]):
    """A UTC time, kept as text in the one form of `core.clock.stamp`, so that it compares as text."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> str | None:
        return stamp(value) if isinstance(value, datetime) else value

    def process_result_value(self, value: Any, dialect: Any) -> datetime | None:
        return moment(value)


class Word(TypeDecorator[Any]):
    """One word of a closed list."""

    impl = sa.Text
    cache_ok = True

    def __init__(self, words: type[StrEnum]) -> None:
        super().__init__()
        self.words = words

    def process_bind_param(self, value: Any, dialect: Any) -> str | None:
        return None if value is None else str(self.words(value))

    def process_result_value(self, value: Any, dialect: Any) -> StrEnum | None:
        return None if value is None else self.words(value)


class Json(TypeDecorator[Any]):
    """A JSON value, kept as text that people can read."""

    impl = sa.JSON(none_as_null=True)
    cache_ok = True
