"""Users: who may sign in as a person, their sessions, the links that set a password, and tries that failed."""

import re
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa

from pipemend.core.errors import NotFound, Stale
from pipemend.store.access import OURS, digest
from pipemend.store.rows import Row, insert_new
from pipemend.store.schema import api_tokens, sign_in_tries, user_links, user_sessions, users

SESSION = timedelta(days=7)
LINK = timedelta(hours=24)
NAME = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,99}")
# Failed tries that are enough, and the time within which they count.
AN_ADDRESS, A_NAME = (10, timedelta(minutes=1)), (20, timedelta(minutes=15))


def named(name: str) -> str:
    """The name as it is kept. Raises Stale for one that is none, or that is the machine's."""
    plain = name.strip().lower()
    if not NAME.fullmatch(plain):
        raise Stale("a name has 1 to 100 letters, digits and . _ @ + -, and begins with a letter or a digit")
    if plain in OURS:
        raise Stale(f"{plain} is a name that Pipemend itself uses")
    return plain


def add(
    db: sa.Connection, name: str, role: str, now: datetime, *, issuer: str | None = None, subject: str | None = None
) -> str:
    """Makes the user and returns the name as it is kept. Raises Stale when it is taken or no name."""
    plain = named(name)
    if db.scalar(sa.select(api_tokens.c.name).where(sa.func.lower(api_tokens.c.name) == plain)):
        raise Stale(f"there is a token named {plain} already")
    values = {"name": plain, "role": role, "created_at": now, "issuer": issuer, "subject": subject}
    if insert_new(db, users, values) is None:
        raise Stale(f"there is a user named {plain} already")
    return plain


def get(db: sa.Connection, name: str) -> Row:
    """Raises NotFound."""
    row = find(db, name)
    if row is None:
        raise NotFound(f"there is no user named {name}")
    return row


def find(db: sa.Connection, name: str) -> Row | None:
    return db.execute(sa.select(users).where(users.c.name == name.strip().lower())).first()


def by_subject(db: sa.Connection, issuer: str, subject: str) -> Row | None:
    """Whom this issuer calls so."""
    return db.execute(sa.select(users).where(users.c.issuer == issuer, users.c.subject == subject)).first()


def all_of(db: sa.Connection) -> Sequence[Row]:
    return db.execute(sa.select(users).order_by(users.c.name)).all()


def anybody(db: sa.Connection) -> bool:
    return db.execute(sa.select(users.c.name).limit(1)).first() is not None


def change(db: sa.Connection, name: str, **columns: object) -> None:
    """Raises NotFound."""
    if db.execute(users.update().where(users.c.name == name.strip().lower()).values(**columns)).rowcount != 1:
        raise NotFound(f"there is no user named {name}")


def set_password(db: sa.Connection, name: str, password_hash: str) -> None:
    """From now on this one; sessions and links of before have ended."""
    change(db, name, password_hash=password_hash)
    end(db, name)


def sign_in(db: sa.Connection, name: str, now: datetime, lasts: timedelta = SESSION) -> str:
    """Opens a session and returns the cookie's value."""
    value = secrets.token_urlsafe(32)
    row = {"token_hash": digest(value), "name": name, "created_at": now, "expires_at": now + lasts}
    db.execute(user_sessions.insert().values(**row))
    return value


def end_sessions(db: sa.Connection, name: str) -> int:
    """Signs out everywhere; how many sessions that were."""
    return db.execute(user_sessions.delete().where(user_sessions.c.name == name)).rowcount


def end(db: sa.Connection, name: str) -> None:
    """Sessions, and the link that would set a password."""
    end_sessions(db, name)
    db.execute(user_links.delete().where(user_links.c.name == name))


def make_link(db: sa.Connection, name: str | None, now: datetime) -> str:
    """A word that lets its holder set the user's password, or make the first admin; earlier ones have ended."""
    db.execute(user_links.delete().where(user_links.c.name.is_(None) if name is None else user_links.c.name == name))
    value = secrets.token_urlsafe(24)
    db.execute(user_links.insert().values(token_hash=digest(value), name=name, expires_at=now + LINK))
    return value


def linked(db: sa.Connection, value: str, now: datetime) -> Row | None:
    """For whom the link is; None where it is none any more. That of the first admin ends with the first user."""
    wish = sa.select(user_links.c.name).where(user_links.c.token_hash == digest(value), user_links.c.expires_at > now)
    row = db.execute(wish).first()
    return None if row is None or (row.name is None and anybody(db)) else row


def use_link(db: sa.Connection, value: str, now: datetime) -> Row | None:
    """Uses the link up; of two that come together one gets it."""
    row = linked(db, value, now)
    used = db.execute(user_links.delete().where(user_links.c.token_hash == digest(value))).rowcount
    return row if used == 1 else None


def begin_try(db: sa.Connection, name: str, address: str, now: datetime) -> int | None:
    """Counts a try before its secret is looked at, so that many at once count too; None when it is one too many."""
    db.execute(sign_in_tries.delete().where(sign_in_tries.c.at <= now - A_NAME[1]))
    by_address, by_name = sign_in_tries.c.address == address, sign_in_tries.c.name == name
    if _tries(db, by_address, AN_ADDRESS, now) or (name and _tries(db, by_name, A_NAME, now)):
        return None
    row = db.execute(sign_in_tries.insert().values(at=now, name=name, address=address).returning(sign_in_tries.c.id))
    return int(row.scalar_one())


def forgive_try(db: sa.Connection, number: int) -> None:
    """It succeeded."""
    db.execute(sign_in_tries.delete().where(sign_in_tries.c.id == number))


def _tries(db: sa.Connection, where: sa.ColumnElement[bool], enough: tuple[int, timedelta], now: datetime) -> bool:
    wish = sa.select(sa.func.count()).select_from(sign_in_tries).where(where, sign_in_tries.c.at > now - enough[1])
    return (db.scalar(wish) or 0) >= enough[0]
