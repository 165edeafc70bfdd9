"""Secrets of our own: made once, kept in the database, shared by every process."""

import secrets as random

import sqlalchemy as sa

from pipemend.store.rows import insert_new
from pipemend.store.schema import secrets

CALLBACK = "callback"


def made_once(db: sa.Connection, name: str) -> str:
    """The secret of this name; it is made when it is asked for the first time."""
    insert_new(db, secrets, {"name": name, "value": random.token_urlsafe(32)})
    return str(db.execute(sa.select(secrets.c.value).where(secrets.c.name == name)).scalar_one())
