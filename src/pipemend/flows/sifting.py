"""Of what a feed reports, what may change anything. A reading repeats the runs of the last minutes, and most runs of a
factory are nobody's failure."""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from pipemend.core.clock import stamp
from pipemend.core.run import Resource, Run
from pipemend.store import alerts, attempts, tickets
from pipemend.store.rows import Row


def news(db: sa.Connection, resource: Resource, runs: Sequence[Run], since: datetime) -> Sequence[Run]:
    """Those of some runs of one connection that are not as we know them, or are ours to conclude."""
    ids = [run.ref.run_id for run in runs]
    known = tickets.known_runs(db, resource, ids)
    watched = attempts.watched(db, resource, ids)
    groups = tickets.groups(db, resource, {run.group_id for run in runs if run.group_id})
    told = alerts.reported(db, [feed_key(run) for run in runs if run.failed])

    def new(run: Run) -> bool:
        row = known.get(run.ref.run_id)
        if row is not None:
            return run.ref.run_id in watched or changed(row, run)
        if run.debug:
            return False
        mine = run.group_id in groups and run.parent is None
        return mine or (unheard(run, since) and feed_key(run) not in told)

    return [run for run in runs if new(run)]


def changed(known: Row, run: Run) -> bool:
    """Whether the platform says of a run something else than its row."""
    return bool(known.status != str(run.status) or (run.ended and known.ended_at != run.ended_at))


def unheard(run: Run, since: datetime) -> bool:
    """Whether it is a failure that ended while this connection was watched."""
    return run.failed and (run.ended_at is None or run.ended_at >= since)


def feed_key(run: Run) -> str:
    """By which the failure of a run is reported once for each of its ends."""
    end = stamp(run.ended_at) if run.ended_at else ""
    return f"{run.ref.platform}:{run.ref.resource}:{run.ref.run_id}:{end}"
