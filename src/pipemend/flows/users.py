"""What is done to users, each with its line in the audit trail. Units: they take the connection and never commit."""

from datetime import datetime

import sqlalchemy as sa

from pipemend.core.errors import Stale
from pipemend.store import access, audit, people


def add(db: sa.Connection, name: str, role: str, *, by: str, now: datetime) -> str:
    """Makes the user; the word of the link with which they set their password. Raises Stale."""
    _known(role)
    plain = people.add(db, name, role, now)
    audit.write(db, "user_added", at=now, user=by, details={"name": plain, "role": role})
    return people.make_link(db, plain, now)


def reset(db: sa.Connection, name: str, *, by: str, now: datetime) -> str:
    """The password and every session end; the word of the link for another one. Raises NotFound, Stale."""
    user = people.get(db, name)
    if user.disabled_at:
        raise Stale(f"{user.name} is disabled: enable them first")
    if user.issuer:
        raise Stale(f"{user.name} signs in at {user.issuer}, and has no password here")
    people.change(db, user.name, password_hash=None)
    people.end_sessions(db, user.name)
    audit.write(db, "user_reset", at=now, user=by, details={"name": user.name})
    return people.make_link(db, user.name, now)


def disable(db: sa.Connection, name: str, *, by: str, now: datetime) -> None:
    """Nobody signs in under this name any more, and who is inside is out. Raises NotFound."""
    user = people.get(db, name)
    people.change(db, user.name, disabled_at=now)
    people.end(db, user.name)
    audit.write(db, "user_disabled", at=now, user=by, details={"name": user.name})


def enable(db: sa.Connection, name: str, *, by: str, now: datetime) -> None:
    """They may sign in again, as before. Raises NotFound."""
    user = people.get(db, name)
    people.change(db, user.name, disabled_at=None)
    audit.write(db, "user_enabled", at=now, user=by, details={"name": user.name})


def give_role(db: sa.Connection, name: str, role: str, *, by: str, now: datetime) -> None:
    """It holds at once, in living sessions too. Raises NotFound, Stale."""
    _known(role)
    user = people.get(db, name)
    if user.issuer:
        raise Stale(f"the role of {user.name} is that of their groups at {user.issuer}")
    people.change(db, user.name, role=role)
    audit.write(db, "user_role_changed", at=now, user=by, details={"name": user.name, "role": role})


def _known(role: str) -> None:
    if role not in access.ROLES:
        raise Stale(f"'{role}' is none of {', '.join(access.ROLES)}")


def enter(db: sa.Connection, issuer: str, subject: str, name: str, role: str | None, now: datetime) -> str:
    """A session for whom an issuer has signed in, who becomes a user the first time. Raises Stale.

    Who they are is the issuer's word (`subject`) alone: a name that somebody else has here is never taken for them.
    """
    user = people.by_subject(db, issuer, subject)
    if role is None:
        raise Stale("none of your groups may come in here")
    if user is None:
        plain = people.add(db, name, role, now, issuer=issuer, subject=subject)
        audit.write(db, "user_added", at=now, user=plain, details={"name": plain, "role": role, "issuer": issuer})
        return people.sign_in(db, plain, now, access.SESSION)
    if user.disabled_at is not None:
        raise Stale("you may not come in here any more")
    if user.role != role:
        people.change(db, user.name, role=role)
        audit.write(db, "user_role_changed", at=now, user=user.name, details={"name": user.name, "role": role})
    return people.sign_in(db, user.name, now, access.SESSION)


def stay_out(db: sa.Connection, issuer: str, subject: str) -> None:
    """Whom the issuer lets in no more is not left inside with an older session."""
    user = people.by_subject(db, issuer, subject)
    if user is not None:
        people.end_sessions(db, user.name)


def add_token(db: sa.Connection, name: str, role: str, *, by: str, now: datetime) -> str:
    """The token itself, which is never seen again. Raises Stale when its name is taken, or the machine's."""
    token = access.add_token(db, name, role, now)
    audit.write(db, "token_added", at=now, user=by, details={"name": name, "role": role})
    return token


def end_token(db: sa.Connection, name: str, *, by: str, now: datetime) -> None:
    """It ends at once, and with it every session that came of it. Raises NotFound."""
    access.revoke_token(db, name, now)
    audit.write(db, "token_revoked", at=now, user=by, details={"name": name})
