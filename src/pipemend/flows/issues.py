"""What people do to an issue in another tool: kept, and followed in the same unit. Nothing of it ever starts a run."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

import sqlalchemy as sa

from pipemend.core.commands import Acknowledge, Command, LetGo, Reopen, TakeOver
from pipemend.core.errors import OutsideError, ShutOut, Stale
from pipemend.core.issue import IssueChange, IssueState
from pipemend.core.ticket import Status, Ticket
from pipemend.flows import commands
from pipemend.flows.services import Services
from pipemend.store import audit, deliveries, events, issues, tickets
from pipemend.store.issues import Known

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Letter:
    """A delivery about an issue, as it is kept."""

    door: str
    body: bytes
    change: IssueChange
    named: str | None = None
    replay_of: int | None = None
    by: str = ""  # who has it read again


@dataclass(frozen=True, slots=True)
class Followed:
    """What came of it, in words; `ticket_id`: whose issue it is."""

    ticket_id: str | None
    said: tuple[str, ...]
    did: bool


async def take(s: Services, letter: Letter) -> tuple[deliveries.Accepted, Followed]:
    """Keeps the delivery and does what follows, together. Raises OutsideError when nobody can say who we are there."""
    us = await _us(letter.change)
    return await commands.unit(s, partial(_keep, s, letter, us))


async def _us(change: IssueChange) -> str:
    try:
        return await change.us()
    except OutsideError as error:
        if error.transient and not isinstance(error, ShutOut):
            raise
        log.warning("the tool of an issue does not say who we are there", extra={"error": str(error)})
        return ""  # without a token that works we do nothing there either


def _keep(s: Services, letter: Letter, us: str, db: sa.Connection) -> tuple[deliveries.Accepted, Followed]:
    kept = deliveries.accept(
        db,
        door=letter.door,
        body=letter.body,
        now=s.clock.now(),
        outcome="ignored",
        named=letter.named,
        replay_of=letter.replay_of,
    )
    if letter.replay_of is not None:
        details = {"delivery": kept.id, "replay_of": letter.replay_of}
        audit.write(db, "delivery_replayed", at=s.clock.now(), user=letter.by, details=details)
    if not kept.new:
        return kept, Followed(None, (), False)
    followed = follow(db, s, letter.change, us)
    deliveries.came_of(db, kept.id, "accepted" if followed.did else "ignored", "; ".join(followed.said))
    return kept, followed


def follow(db: sa.Connection, s: Services, change: IssueChange, us: str) -> Followed:
    """Does what the change asks for, if it is about an issue of ours, and newer than what is known of it."""
    found = _whose(db, change, us)
    if found is None:
        return Followed(None, (f"no ticket has the issue {change.key}",), False)
    ticket = tickets.lock(db, found.id)
    known = issues.known(db, ticket.id)
    change = _news(change, known)
    if change.moved_to is None and not change.assigned:
        return Followed(ticket.id, ("it is known already, or older than what is known",), False)
    issues.note(db, ticket.id, **_noted(change))
    if us and change.account == us and _led(db, ticket, change):
        return Followed(ticket.id, ("our own change",), False)
    came = [_obeyed(db, s, wish) for wish in _wishes(ticket, change, closed=_was_closed(db, ticket, change, known))]
    words = tuple(said for _, said in came) or ("nothing follows from it",)
    return Followed(ticket.id, words, any(did for did, _ in came))


def _whose(db: sa.Connection, change: IssueChange, us: str) -> Ticket | None:
    """The ticket of an issue: by where it was told, else by the label that it was made with.

    Whoever may edit labels can give ours to another issue, and a copy of an issue has them too.
    """
    labelled = (ticket for label in change.labels if (ticket := tickets.find(db, label)))
    named = tickets.by_issue(db, change.key)
    return next((ticket for ticket in (*([named] if named else []), *labelled) if _its(db, ticket, change, us)), None)


def _its(db: sa.Connection, ticket: Ticket, change: IssueChange, us: str) -> bool:
    place = events.last_place(db, ticket.id, change.notifier) or {}
    if number := place.get("id"):
        return bool(number == change.id)
    if key := place.get("key") or ticket.itsm_ticket_id:
        return bool(key == change.key)
    return bool(us) and change.creator == us  # made a moment ago: nobody has written down where


def _news(change: IssueChange, known: Known) -> IssueChange:
    """What of it is newer than what is known."""
    moved_to = change.moved_to if change.order > known.moved else None
    return replace(change, moved_to=moved_to, assigned=change.assigned and change.order > known.assigned)


def _noted(change: IssueChange) -> dict[str, object]:
    moved = {"moved": change.order, "state": change.moved_to} if change.moved_to else {}
    return {**moved, **({"assigned": change.order} if change.assigned else {})}


def _led(db: sa.Connection, ticket: Ticket, change: IssueChange) -> bool:
    """Whether we may have moved it. Where our account is a person's, what we never do is done by that person."""
    told = events.moves_told(db, ticket.id, change.notifier)
    return change.moved_to is not None and str(Status.ACKNOWLEDGED) in told


def _was_closed(db: sa.Connection, ticket: Ticket, change: IssueChange, known: Known) -> bool:
    """Whether the issue was closed before: by what was heard of it last, or by what we did."""
    place = events.last_place(db, ticket.id, change.notifier) or {}
    return known.state is IssueState.CLOSED or bool(place.get("closed"))


def _wishes(ticket: Ticket, change: IssueChange, *, closed: bool) -> Iterator[Command]:
    """What the change asks for. A rule of the other tool may close and reopen; that they work, only people can say."""
    by, ticket_id, works = change.by, ticket.id, change.moved_to is IssueState.UNDER_WAY and not change.machine
    if change.moved_to is IssueState.CLOSED:
        yield Acknowledge(by=by, ticket_id=ticket_id)
        return
    if ticket.closed and change.moved_to and closed:
        yield Reopen(by=by, ticket_id=ticket_id)
    elif ticket.closed:
        return
    if works:
        yield TakeOver(by=by, ticket_id=ticket_id, reason=f"{by} works on it", works=True)
    elif change.moved_to is IssueState.OPEN and ticket.status is Status.IN_PROGRESS:
        yield LetGo(by=by, ticket_id=ticket_id)
    if change.assigned_to and not works and not change.machine:
        yield TakeOver(by=by, ticket_id=ticket_id, reason=f"assigned to {change.assigned_to} by {by}")


def _obeyed(db: sa.Connection, s: Services, wish: Command) -> tuple[bool, str]:
    try:
        commands.carry_out_in(db, s, wish)
    except Stale as stale:
        return False, f"nothing was done: {stale}"
    return True, f"{type(wish).__name__.lower()} by {wish.by}"
