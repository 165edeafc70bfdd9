"""API tokens, sessions and one-time sign-in links. Only hashes are kept."""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa

from pipemend.core.errors import NotFound, Stale
from pipemend.core.ticket import AI_USER, MERGED_USER, PIPELINE_USER, RECOVERED_USER
from pipemend.store.rows import Row, insert_new
from pipemend.store.schema import api_tokens, sessions, sign_in_links, user_links, user_sessions, users

ROLES = ("viewer", "operator", "admin")
SESSION = timedelta(hours=12)
LINK = timedelta(minutes=15)
# Names that tickets and the audit trail keep for the machine.
OURS = {name.lower() for name in (AI_USER, PIPELINE_USER, RECOVERED_USER, MERGED_USER, "pipemend")}


def digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def add_token(db: sa.Connection, name: str, role: str, now: datetime) -> str:
    """Makes a token and returns it: the only time it is seen. Raises Stale when the name is taken, or the machine's."""
    if name.lower() in OURS:
        raise Stale(f"{name} is a name that Pipemend itself uses")
    if db.scalar(sa.select(users.c.name).where(users.c.name == name.lower())):
        raise Stale(f"there is a user named {name} already")
    token = f"pm_{secrets.token_urlsafe(32)}"
    row = insert_new(db, api_tokens, {"name": name, "token_hash": digest(token), "role": role, "created_at": now})
    if row is None:
        raise Stale(f"there is a token named {name} already")
    return token


def revoke_token(db: sa.Connection, name: str, now: datetime) -> None:
    """The token and every session that came of it end at once. Raises NotFound."""
    done = db.execute(
        api_tokens.update().where(api_tokens.c.name == name, api_tokens.c.revoked_at.is_(None)).values(revoked_at=now)
    )
    if done.rowcount != 1:
        raise NotFound(f"there is no valid token named {name}")


def tokens(db: sa.Connection) -> Sequence[Row]:
    wish = sa.select(api_tokens.c.name, api_tokens.c.role, api_tokens.c.created_at, api_tokens.c.revoked_at)
    return db.execute(wish.order_by(api_tokens.c.name)).all()


def any_token(db: sa.Connection) -> bool:
    return db.scalar(sa.select(sa.func.count()).where(api_tokens.c.revoked_at.is_(None))) != 0


def by_token(db: sa.Connection, token: str) -> Row | None:
    """Name and role of a valid token."""
    wish = sa.select(api_tokens.c.name, api_tokens.c.role).where(
        api_tokens.c.token_hash == digest(token), api_tokens.c.revoked_at.is_(None)
    )
    return db.execute(wish).first()


def sign_in(db: sa.Connection, name: str, now: datetime) -> str:
    """Opens a session for the holder of a token and returns the cookie's value."""
    value = secrets.token_urlsafe(32)
    db.execute(sessions.insert().values(token_hash=digest(value), name=name, created_at=now, expires_at=now + SESSION))
    return value


def by_session(db: sa.Connection, value: str, now: datetime) -> Row | None:
    """Name and role of a living session; a revoked token, or a user who was disabled, ends theirs.

    `user`: whether it is that of a user, rather than of a token's holder.
    """
    known = digest(value)
    holders = (
        sa.select(api_tokens.c.name, api_tokens.c.role, sa.false().label("user"))
        .join_from(sessions, api_tokens, sessions.c.name == api_tokens.c.name)
        .where(sessions.c.token_hash == known, sessions.c.expires_at > now, api_tokens.c.revoked_at.is_(None))
    )
    people = (
        sa.select(users.c.name, users.c.role, sa.true().label("user"))
        .join_from(user_sessions, users, user_sessions.c.name == users.c.name)
        .where(user_sessions.c.token_hash == known, user_sessions.c.expires_at > now, users.c.disabled_at.is_(None))
    )
    return db.execute(people.union_all(holders)).first()


def sign_out(db: sa.Connection, value: str) -> None:
    for table in (sessions, user_sessions):
        db.execute(table.delete().where(table.c.token_hash == digest(value)))


def end_sessions(db: sa.Connection, name: str) -> int:
    """Signs the holder of a token out everywhere; how many sessions that were."""
    return db.execute(sessions.delete().where(sessions.c.name == name)).rowcount


def forget_expired(db: sa.Connection, now: datetime) -> None:
    """Takes away sessions and links whose time is over."""
    for table in (sessions, sign_in_links, user_sessions, user_links):
        db.execute(table.delete().where(table.c.expires_at <= now))


def make_link(db: sa.Connection, name: str, now: datetime) -> str:
    """A word that signs the holder of a token in, once, within a quarter of an hour."""
    value = secrets.token_urlsafe(24)
    db.execute(sign_in_links.insert().values(token_hash=digest(value), name=name, expires_at=now + LINK))
    return value


def use_link(db: sa.Connection, value: str, now: datetime) -> str | None:
    """Uses the link up; the name it was made for, or None."""
    row = db.execute(
        sign_in_links.update()
        .where(
            sign_in_links.c.token_hash == digest(value),
            sign_in_links.c.used_at.is_(None),
            sign_in_links.c.expires_at > now,
        )
        .values(used_at=now)
        .returning(sign_in_links.c.name)
    ).first()
    return row.name if row else None
