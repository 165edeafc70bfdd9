"""What the platform was asked for, held against our attempts. Nothing is checked where nobody knows it."""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa

from pipemend.core.attempt import AttemptStatus
from pipemend.core.run import RunStatus
from pipemend.store.schema import attempts, ticket_runs, tickets
from pipemend.store.verify.attempts import BEGUN
from pipemend.store.verify.facts import SIMULTANEOUS, Facts, Start, Violation

Run = tuple[str, str, str]  # platform, resource, run id


def one_start_for_each_attempt(db: sa.Connection, facts: Facts) -> Iterator[Violation]:
    """At most one rerun was started for each attempt, and none that no attempt had asked for.

    A start that tells no key belongs to the attempt whose call was the last one before it.
    """
    if not facts.starts:
        return
    calls, owners = _calls(db), _owners(db)
    told: Counter[tuple[str, str]] = Counter()
    for start in facts.starts:
        ticket_id = owners.get((start.platform, start.resource, start.repeats or start.run_id))
        key = start.key or _asked(calls.get(ticket_id or "", ()), start)
        if ticket_id is None or key is None or key not in {k for _, k in calls.get(ticket_id, ())}:
            says = f"the run {start.run_id} was started for attempt {key or '?'}, which was never begun"
            yield Violation("start that nobody asked for", ticket_id or f"run {start.repeats}", says)
        else:
            told[ticket_id, key] += 1
    for (ticket_id, key), number in told.items():
        if number > 1:
            says = f"{number} runs were started for attempt {key}"
            yield Violation("two starts for one attempt", ticket_id, says)


def _calls(db: sa.Connection) -> Mapping[str, Sequence[tuple[datetime, str]]]:
    """When which attempt was called, by ticket, in the order of the calls."""
    found = defaultdict(list)
    wish = sa.select(attempts.c.ticket_id, attempts.c.started_at, attempts.c.key).where(BEGUN)
    for row in db.execute(wish.order_by(attempts.c.started_at)):
        found[row.ticket_id].append((row.started_at, row.key))
    return found


def _owners(db: sa.Connection) -> Mapping[Run, str]:
    rows = db.execute(
        sa.select(ticket_runs.c.platform, ticket_runs.c.resource, ticket_runs.c.run_id, ticket_runs.c.ticket_id)
    )
    return {(row.platform, row.resource, row.run_id): row.ticket_id for row in rows}


def _asked(calls: Sequence[tuple[datetime, str]], start: Start) -> str | None:
    at = bisect_right(calls, start.at + SIMULTANEOUS, key=lambda call: call[0])
    return calls[at - 1][1] if at else None


def healed_runs_went_well(db: sa.Connection, facts: Facts) -> Iterator[Violation]:
    """The rerun of an attempt that has succeeded ended well at the platform too."""
    ended = {(s.platform, s.resource, s.run_id): s.status for s in facts.starts or ()}
    if not ended:
        return
    wish = (
        sa.select(tickets.c.platform, tickets.c.resource, attempts.c.remediation_run_id, attempts.c.ticket_id)
        .join_from(attempts, tickets, attempts.c.ticket_id == tickets.c.id)
        .where(attempts.c.status == AttemptStatus.SUCCEEDED)
    )
    for row in db.execute(wish):
        status = ended.get((row.platform, row.resource, row.remediation_run_id))
        if status not in (None, str(RunStatus.SUCCEEDED)):
            says = f"the platform says that the run {row.remediation_run_id} is {status}"
            yield Violation("healed without the platform's word", row.ticket_id, says)
