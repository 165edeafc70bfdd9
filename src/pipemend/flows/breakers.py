"""The circuit breakers as they stand now. Nothing is remembered: the outcomes of attempts say it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

import sqlalchemy as sa

from pipemend.core.breaker import Breaker, breaker
from pipemend.flows.services import Services
from pipemend.store import attempts, outcomes

Kind = tuple[str, str]  # error type and action


def breaker_of(db: sa.Connection, s: Services, kind: Kind, now: datetime) -> Breaker | None:
    """The breaker of a repair that is judged, None when it is closed. Half-open, two are judged one after the other."""
    found = _breaker(db, s, kind, now)
    if found is None or found.open_at(now):
        return found
    attempts.one_by_one(db, f"breaker|{'|'.join(kind)}")
    found = _breaker(db, s, kind, now)
    return found and replace(found, probing=outcomes.under_way(db, *kind))


def all_of(db: sa.Connection, s: Services, now: datetime) -> Mapping[Kind, Breaker | None]:
    """Every kind for which there is a playbook."""
    kinds = {(book.error_type, book.action) for book in s.playbooks.entries.values()}
    return {kind: _breaker(db, s, kind, now) for kind in sorted(kinds)}


def _breaker(db: sa.Connection, s: Services, kind: Kind, now: datetime) -> Breaker | None:
    return breaker(outcomes.of_kind(db, *kind, now - s.policy.breaker.window), s.policy.breaker)
