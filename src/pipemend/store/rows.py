"""Inserting what may be there already, alike on both databases."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

Row = sa.Row[*tuple[Any, ...]]


def insert_new(db: sa.Connection, table: sa.Table, values: Mapping[str, Any]) -> Row | None:
    """Inserts the row and returns its primary key; None when one of its unique keys was there already."""
    dialect = sqlite if db.dialect.name == "sqlite" else postgresql
    wish = dialect.insert(table).values(**values).on_conflict_do_nothing().returning(*table.primary_key.columns)
    return db.execute(wish).first()
