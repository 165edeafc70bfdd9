"""The feed: what a connection reports as changed. It ends our reruns, finds failures nobody told us of, and sees
what people do themselves."""

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

import sqlalchemy as sa

from pipemend.core.alert import Alert
from pipemend.core.attempt import Attempt, AttemptStatus
from pipemend.core.errors import OutsideError, Overtaken, Throttled
from pipemend.core.run import Resource, Run, RunStatus
from pipemend.core.ticket import PIPELINE_USER, RemediationStatus, Ticket
from pipemend.flows import again, endings, masked, persons, sifting
from pipemend.flows.saving import surely
from pipemend.flows.services import Services
from pipemend.store import alerts, attempts, feeds, tickets
from pipemend.store.database import transient
from pipemend.store.rows import Row

log = logging.getLogger(__name__)
READ_SECONDS, LEASE, TOGETHER = 45, timedelta(seconds=60), 100
SLOWEST = timedelta(minutes=5)
LATE = timedelta(hours=24)


async def begin(s: Services) -> None:
    """Each connection has a feed; a new one begins now."""
    now = s.clock.now()

    def unit(db: sa.Connection) -> None:
        for resource in s.connections:
            feeds.begin(db, resource, now)

    await s.database.write(unit)


async def take_due(s: Services) -> int:
    """Reads the feeds that are due; how many."""
    rows = await claim(s)
    await asyncio.gather(*(read(s, row) for row in rows))
    return len(rows)


async def claim(s: Services) -> Sequence[Row]:
    """The feeds that are due. They are ours to read for a minute."""
    now = s.clock.now()
    return await s.database.write(lambda db: feeds.claim_due(db, s.connections, now, now + LEASE, s.worker))


async def read(s: Services, row: Row) -> None:
    """Reads one feed, within READ_SECONDS, and saves when it is due again."""
    resource = s.connection(row.platform, row.resource)
    if resource is None:
        return
    asked = s.clock.now()
    try:
        async with asyncio.timeout(READ_SECONDS):
            changes = await s.platforms[row.platform].changes(resource, row.watermark)
        complete = await _take_runs(s, resource, changes.runs, row.started_at)
    except (OutsideError, TimeoutError) as error:
        await _missed(s, row, str(error) or "no answer in time", _asked_to_wait(error))
        return
    except Exception as error:  # a platform that stumbles must not stop the reading of the others, and is shown
        log.exception("a feed stumbled", extra={"resource": row.resource})
        await _missed(s, row, f"{type(error).__name__}: {error}")
        return
    interval = s.policy.watch_interval
    watermark = changes.until if complete else row.watermark
    due = max(asked + interval, s.clock.now() + interval / 10)
    await surely(
        s, lambda db: feeds.settle(db, row, watermark=watermark, due_at=due, last_ok_at=asked, error=None, failures=0)
    )


def _asked_to_wait(error: Exception) -> timedelta:
    return timedelta(seconds=(error.retry_after or 0.0) if isinstance(error, Throttled) else 0.0)


async def _missed(s: Services, row: Row, error: str, at_least: timedelta = timedelta()) -> None:
    log.warning("a feed could not be read", extra={"resource": row.resource, "error": error})
    wait = max(min(s.policy.watch_interval * 2 ** min(row.failures, 5), SLOWEST), at_least)
    due = s.clock.now() + wait
    await surely(s, lambda db: feeds.settle(db, row, due_at=due, error=error[:500], failures=row.failures + 1))


async def _take_runs(s: Services, resource: Resource, runs: Sequence[Run], since: datetime) -> bool:
    """Takes in what changed, one unit a run. False: the database did not take all of it, ask again from there."""
    complete = True
    for start in range(0, len(runs), TOGETHER):
        together = runs[start : start + TOGETHER]
        await masked.note(s, resource, together, since)
        some = await s.database.read(partial(sifting.news, resource=resource, runs=together, since=since))
        units = (s.database.write(partial(saw, s, run, since)) for run in some)
        for run, ended in zip(some, await asyncio.gather(*units, return_exceptions=True), strict=True):
            if isinstance(ended, Overtaken):  # another worker, or a loop of ours, moved the same row just now
                log.info("a run of the feed was overtaken", extra={"run_id": run.ref.run_id})
                complete = False
            elif isinstance(ended, BaseException):
                log.error("a run of the feed stumbled", exc_info=ended, extra={"run_id": run.ref.run_id})
                complete = complete and not transient(ended)
        if some:
            s.wake.set()
    return complete


def saw(s: Services, run: Run, since: datetime, db: sa.Connection) -> None:
    """One run as the platform reports it now."""
    now = s.clock.now()
    known = tickets.known_run(db, run.ref)
    if known is None:
        _saw_new(db, s, run, since, now)
        return
    if changed := sifting.changed(known, run):
        tickets.lock(db, known.ticket_id)  # the ticket before its runs, as everybody does
        tickets.run_changed(db, run.ref, run.status, run.ended_at)
    if known.role == "rerun":
        _saw_rerun(db, s, run, now)
    if changed and run.ended:
        _ended(db, s, known, run, now)


def _ended(db: sa.Connection, s: Services, known: Row, run: Run, now: datetime) -> None:
    """A run that was known has ended, or has ended again."""
    ticket = tickets.get(db, known.ticket_id)
    if known.role == "person":
        persons.ended(db, s, ticket, run, now)
    elif again.ended_again(db, ticket, known, run) or again.undecided(db, ticket, known, run):
        report(db, run, now)  # intake reads why
    elif run.ref.run_id == ticket.root_run_id:  # the run named first is one of its children, once it moved up
        _root_ended(db, s, ticket, run, now)


def _saw_new(db: sa.Connection, s: Services, run: Run, since: datetime, now: datetime) -> None:
    if run.debug:
        return
    if mother := persons.mother(db, run):
        persons.saw(db, s, mother, run, now)
    elif sifting.unheard(run, since):
        report(db, run, now)


def report(db: sa.Connection, run: Run, now: datetime) -> None:
    """A failure that the feed has found: an alert like any other, once for each end of a run."""
    alerts.insert(db, _alert(run), now, feed_key=sifting.feed_key(run))


def _alert(run: Run) -> Alert:
    return Alert(
        platform=run.ref.platform,
        resource=run.ref.resource,
        pipeline=run.pipeline,
        run_id=run.ref.run_id,
        failed_at=run.ended_at,
        error_message=run.message,
        rule=alerts.FEED_CHILD if run.parent else alerts.FEED,
    )


def _root_ended(db: sa.Connection, s: Services, ticket: Ticket, run: Run, now: datetime) -> None:
    """The outermost run, which was still running when the ticket opened; or a person has repaired it since."""
    if ticket.closed:
        return
    if ticket.run_ended_at is not None:
        if run.ended_at and run.ended_at > ticket.run_ended_at:
            _root_ended_again(db, s, ticket, run, now)
        return
    if run.status is RunStatus.SUCCEEDED:
        endings.closed_without_us(db, s, ticket, PIPELINE_USER, "the outermost run has succeeded after all", now)
    else:
        tickets.move(db, ticket, due_at=now)  # reads its error, then decides


def _root_ended_again(db: sa.Connection, s: Services, ticket: Ticket, run: Run, now: datetime) -> None:
    """A repair keeps the id of its run: it may be ours, which is then read at once, or somebody else's."""
    live = endings.live(db, ticket)
    if live is None:
        persons.ended(db, s, tickets.move(db, ticket, run_ended_at=run.ended_at), run, now)
    elif live.remediation_run_id and live.due_at is not None and live.owner is None:
        attempts.touch(db, live, due_at=now)


def _saw_rerun(db: sa.Connection, s: Services, run: Run, now: datetime) -> None:
    attempt = attempts.by_rerun(db, run.ref)
    if attempt is None or not run.ended:
        return
    tickets.lock(db, attempt.ticket_id)
    attempt = attempts.get(db, attempt.key)
    if attempt.status is AttemptStatus.TIMED_OUT and run.status is RunStatus.SUCCEEDED:
        if attempt.completed_at and now - attempt.completed_at <= LATE:
            endings.healed(db, s, attempt, now, late=True)
    elif attempt.status is AttemptStatus.IN_PROGRESS and attempt.due_at is not None:
        rerun_ended(db, s, attempt, run, now)


def rerun_ended(db: sa.Connection, s: Services, attempt: Attempt, run: Run, now: datetime) -> None:
    """The rerun of a living attempt has ended: healed, cancelled by a person, or failed."""
    if run.status is RunStatus.SUCCEEDED:
        endings.healed(db, s, attempt, now)
    elif run.status is RunStatus.CANCELLED:
        reason = f"the rerun {run.ref.run_id} was cancelled by a person"
        endings.end_attempt(db, attempt, AttemptStatus.CANCELLED, now, reason)
        ticket = tickets.move(db, tickets.lock(db, attempt.ticket_id), hands_off=reason)
        endings.left_to_people(
            db, s, ticket, reason, now, status=RemediationStatus.FAILED, attempt=attempt.attempt_number
        )
    else:
        attempt = attempts.touch(db, attempt, due_at=None, owner=None)
        key = f"{attempt.key}:conclude:r{attempt.revision}"
        s.engine.begin(db, "conclude", key, attempt.key, attempt.revision, run.ref.run_id)
