"""Only allowed moves, as far as they can be told afterwards.

The events tell which states an attempt was in, and in which order; states between two of them are not told. So each
must be reachable from the one before, and the present one from the last. Events that were deleted tell nothing.
"""

from collections.abc import Iterator, Mapping

import sqlalchemy as sa

from pipemend.core.attempt import MOVES, AttemptStatus
from pipemend.store.schema import attempts, events
from pipemend.store.verify.facts import Facts, Violation

LATEST = 2**62  # behind every event


def reachable(moves: Mapping[AttemptStatus, frozenset[AttemptStatus]]) -> frozenset[str]:
    """Pairs `from>to` with any number of moves between them, none included."""
    found = {(state, state) for state in moves}
    more = found
    while more:
        more = {(begin, end) for begin, at in found for end in moves[at]} - found
        found |= more
    return frozenset(f"{begin}>{end}" for begin, end in found)


def only_allowed_moves(db: sa.Connection, facts: Facts) -> Iterator[Violation]:
    """An attempt was in no state that could not follow the one before."""
    said, run = events.c.data["status"].as_string(), events.c.data["remediation_run_id"].as_string()
    healed = events.c.data["remediation_success"].as_boolean()
    state = sa.case(
        (events.c.name == "attempt_update", said),
        (events.c.name == "remediation_retry", "waiting"),
        (sa.and_(events.c.name == "remediation_started", run.is_not(None)), "in_progress"),
        (events.c.name == "remediation_started", "unknown"),
        (sa.and_(events.c.name == "status_update", healed), "succeeded"),
    )
    told = sa.select(events.c.ticket_id, events.c.attempt, events.c.id.label("place"), state.label("state")).where(
        events.c.attempt.is_not(None), state.is_not(None)
    )
    present = sa.select(
        attempts.c.ticket_id,
        attempts.c.attempt_number.label("attempt"),
        sa.cast(sa.literal(LATEST), sa.BigInteger).label("place"),
        sa.cast(attempts.c.status, sa.Text).label("state"),
    )
    line = told.union_all(present).subquery()
    before = sa.func.lag(line.c.state).over(partition_by=(line.c.ticket_id, line.c.attempt), order_by=line.c.place)
    pairs = sa.select(line, before.label("was")).subquery()
    wish = sa.select(pairs).where(
        pairs.c.was.is_not(None), (pairs.c.was + ">" + pairs.c.state).not_in(sorted(reachable(MOVES)))
    )
    for row in db.execute(wish):
        says = f"attempt {row.attempt} was {row.was}, then {row.state}"
        yield Violation("move that is not allowed", row.ticket_id, says)
