"""Inserting what may be there already, alike on both databases."""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from pipemend.core.clock import moment, stamp
from pipemend.store.types import Instant, Json, Word

Row = sa.Row[*tuple[Any, ...]]


def insert_new(db: sa.Connection, table: sa.Table, values: Mapping[str, Any]) -> Row | None:
    """Inserts the row and returns its primary key; None when one of its unique keys was there already."""
    return db.execute(_insert_new(db.dialect.name, table), dict(values)).first()


@cache
def _insert_new(dialect: str, table: sa.Table) -> Any:
    insert = sqlite.insert if dialect == "sqlite" else postgresql.insert
    return insert(table).on_conflict_do_nothing().returning(*table.primary_key.columns)


def as_read(table: sa.Table, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values as the database would give them back: words as words of their lists, JSON without tuples."""
    return {name: _as_read(table.c[name].type, value) for name, value in values.items()}


def _as_read(kind: sa.types.TypeEngine[Any], value: Any) -> Any:
    if value is None:
        return None
    if isinstance(kind, Word):
        return kind.words(value)
    if isinstance(kind, Json):
        return json.loads(json.dumps(value))
    return moment(stamp(value)) if isinstance(kind, Instant) else value
