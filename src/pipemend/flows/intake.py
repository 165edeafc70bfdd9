"""Intake: which run an alert speaks of, which root it has, and the one ticket of that root."""

import asyncio
import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

import sqlalchemy as sa

from pipemend.core.alert import Alert
from pipemend.core.attempt import Attempt
from pipemend.core.errors import OutsideError
from pipemend.core.ports import KnowsPages, Platform
from pipemend.core.rca import Failure, Fault
from pipemend.core.run import Resource, Run, RunRef, RunStatus
from pipemend.core.ticket import Ticket
from pipemend.flows import again, definitions, elsewhere, persons
from pipemend.flows.doubts import LATE
from pipemend.flows.services import Services
from pipemend.flows.tickets import Opening, diagnosed, open_ticket
from pipemend.store import alerts, attempts, tickets
from pipemend.store.alerts import Kept
from pipemend.store.database import transient

log = logging.getLogger(__name__)
AT_ONCE, LEASE = 64, timedelta(seconds=60)
READ_SECONDS = 10
PATIENCE = timedelta(seconds=60)  # so long the platform is asked before the ticket opens without its word
HELD = timedelta(minutes=3)
SHORTEST_HOLD, LONGEST_HOLD = timedelta(seconds=2), timedelta(seconds=30)  # between two looks at what is held
SLOWEST = timedelta(minutes=5)
LOOKS = (0, 30, 120, 300)  # seconds after which a run without a name is looked for
DEPTH = 10  # parents of parents


@dataclass(frozen=True, slots=True)
class Found:
    """What the platform said: the named run, its root, and why the root failed."""

    run: Run | None
    root: Run | None
    failure: Failure | None

    @property
    def chain(self) -> tuple[Run, ...]:
        return tuple({run.ref: run for run in (self.root, self.run) if run}.values())


async def take_due(s: Services) -> int:
    """Takes up due alerts; how many."""
    now = s.clock.now()
    kept = await s.database.write(lambda db: alerts.claim_due(db, now, AT_ONCE, now + LEASE, s.worker))
    ended = await asyncio.gather(*(_take(s, one) for one in kept), return_exceptions=True)
    for one, error in zip(kept, ended, strict=True):
        if isinstance(error, BaseException):
            log.error("an alert stumbled", exc_info=error, extra={"alert_id": one.id})
            if not transient(error):  # else it is due again when the lease ends
                await s.database.write(partial(_stumbled, s, one, error))
    if kept:
        s.wake.set()
    return len(kept)


async def _take(s: Services, kept: Kept) -> None:
    alert = kept.alert
    resource = s.connection(alert.platform, alert.resource)
    known = await s.database.read(lambda db: _known(db, alert, resource))
    if known is not None and (resource is None or not known.closed):
        await s.database.write(lambda db: alerts.joined(db, kept, known.id, "the run belongs to this ticket"))
    elif resource is None:
        await _open_unconnected(s, kept)
    elif alert.run_id is None:
        await _look_for_runs(s, kept, resource)
    else:
        ref = RunRef(alert.platform, resource.id, alert.run_id)
        await (_take_run(s, kept, ref, resource) if known is None else _take_known(s, kept, ref, resource))


def _known(db: sa.Connection, alert: Alert, resource: Resource | None) -> Ticket | None:
    """The ticket that the named run belongs to already."""
    where = resource.id if resource else alert.resource
    if alert.run_id is None or where is None:
        return None
    row = tickets.known_run(db, RunRef(alert.platform, where, alert.run_id))
    return tickets.get(db, row.ticket_id) if row else None


async def _take_known(s: Services, kept: Kept, ref: RunRef, resource: Resource) -> None:
    """A run whose ticket is closed: the platform says whether it has ended again since."""
    try:
        async with asyncio.timeout(READ_SECONDS):
            run, failure = await again.look(s.platforms[ref.platform], ref)
    except (OutsideError, TimeoutError) as error:
        await _ask_again(s, kept, str(error) or "no answer in time", longest=SLOWEST)
        return
    opening = await again.explained(s, resource, run, failure) if run and failure else None
    await s.database.write(partial(again.join, s, kept, ref, run, opening))


async def _take_run(s: Services, kept: Kept, ref: RunRef, resource: Resource) -> None:
    platform = s.platforms[ref.platform]
    try:
        async with asyncio.timeout(READ_SECONDS):
            found = await look(platform, ref)
    except (OutsideError, TimeoutError) as error:
        await _platform_is_silent(s, kept, ref, resource, str(error) or "no answer in time")
        return
    if found.run is None:
        await _run_unknown(s, kept, ref, resource)
        return
    await _settle_found(s, kept, found, resource)


async def look(platform: Platform, ref: RunRef) -> Found:
    """The named run, its outermost run, and why that failed. Raises OutsideError."""
    run = await platform.run(ref)
    if run is None:
        return Found(None, None, None)
    root = await climb(platform, run)
    speaks = root if root.failed else run if run.failed else None
    if speaks is None:
        return Found(run, root, None)
    failure, definition = await asyncio.gather(platform.failure(speaks), definitions.of_run(platform, root))
    return Found(run, root, replace(failure, definition=definition))


async def climb(platform: Platform, run: Run) -> Run:
    """The outermost run that a run was started for. Raises OutsideError."""
    for _ in range(DEPTH):
        if run.parent is None:
            break
        parent = await platform.run(run.parent)
        if parent is None or _outlived(run, parent):
            break
        run = parent
    return run


def _outlived(run: Run, parent: Run) -> bool:
    """Whether the run's parent went well without waiting for it: then nobody above hears of its failure."""
    if parent.status is not RunStatus.SUCCEEDED or parent.ended_at is None:
        return False
    return not run.ended or (run.ended_at is not None and run.ended_at > parent.ended_at)


async def _settle_found(s: Services, kept: Kept, found: Found, resource: Resource) -> None:
    root, run = found.root, found.run
    if root is None or run is None:
        return
    if word := _opens_nothing(root, run, kept.feed_child):
        await s.database.write(lambda db: alerts.ignored(db, kept, word))
        return
    if _may_be_claimed(s, kept, root):
        why = "started by hand or by a program: a pipeline of another platform may wait for it"
        await _ask_again(s, kept, why, longest=timedelta(seconds=10))
        return
    failure = await elsewhere.explained(s, _with_alert(found.failure, kept.alert, root))
    opening = Opening(
        ref=root.ref,
        pipeline=root.pipeline,
        resource=resource,
        failure=failure,
        diagnosis=await diagnosed(s, failure),
        run=root,
        failed_at=root.ended_at or run.ended_at or kept.alert.failed_at,
        children=tuple(r for r in found.chain if r.ref != root.ref),
    )
    await s.database.write(partial(_settle, s, kept, opening))


def _may_be_claimed(s: Services, kept: Kept, root: Run) -> bool:
    """Whether the run may be the child of a run on another platform, which will fail for it within the minute."""
    platform = s.platforms[root.ref.platform]
    others = any(other.connections for other in s.platforms.values() if other is not platform)
    return root.manual and others and isinstance(platform, KnowsPages) and s.clock.now() - kept.created_at < PATIENCE


def _opens_nothing(root: Run, run: Run, feed_child: bool) -> str | None:
    if run.debug or root.debug:
        return "a debug run"
    if root.status is RunStatus.SUCCEEDED:
        return "the outermost run has succeeded"
    if root.status is RunStatus.CANCELLED:
        return "the outermost run was cancelled"
    if feed_child and not root.ended:
        return "the outermost run is still running: its own end decides"
    return None


def _settle(s: Services, kept: Kept, opening: Opening, db: sa.Connection) -> None:
    """Joins the alert to the ticket it belongs to, holds it, or opens a ticket: one unit."""
    now = s.clock.now()
    suspect = _suspect(db, opening, now)
    if joined := _has_ticket(db, opening):
        elsewhere.claim(db, s, joined, opening.failure.pages, now)
        alerts.joined(db, kept, joined, "the run belongs to this ticket")
    elif suspect is not None and not suspect.status.ended and now - kept.created_at < HELD:
        reason = f"may be the rerun of {suspect.ticket_id}"
        alerts.put(db, kept, state="held", reason=reason, due_at=_held_until(kept.created_at, now))
    elif opening.run and (mother := persons.mother(db, opening.run)):
        persons.saw(db, s, mother, opening.run, now)
        alerts.joined(db, kept, mother.id, "a rerun in the group of this ticket")
    else:
        if suspect is not None:
            opening = replace(opening, hands_off=f"may be the rerun of {suspect.ticket_id}: no machine acts on it")
        opened = open_ticket(db, s, opening, now)
        elsewhere.claim(db, s, opened, opening.failure.pages, now)
        alerts.joined(db, kept, opened, "opened the ticket")


def _held_until(since: datetime, now: datetime) -> datetime:
    """When a held alert is looked at again: soon at first, then each time after twice as long, and at the end."""
    wait = min(max(now - since, SHORTEST_HOLD), LONGEST_HOLD)
    return min(now + wait, since + HELD)


def _suspect(db: sa.Connection, opening: Opening, now: datetime) -> Attempt | None:
    """The attempt that may have started the run, and does not know what it has started."""
    ref = opening.ref
    found = attempts.unaccounted(db, ref.platform, ref.resource, opening.pipeline, now - LATE)
    return next((attempt for attempt in found if attempt.may_have_started(opening.run)), None)


def _has_ticket(db: sa.Connection, opening: Opening) -> str | None:
    """The ticket of the root; its children become known as such."""
    row = tickets.known_run(db, opening.ref)
    if row is None:
        return None
    for child in opening.children:
        tickets.add_run(db, child.ref, row.ticket_id, "child", child.status, child.ended_at)
    return str(row.ticket_id)


def _with_alert(failure: Failure | None, alert: Alert, root: Run) -> Failure:
    """The platform's evidence; what only the alert says where the platform has none."""
    if failure is not None and failure.faults:
        return failure
    said = _fault(alert)
    return Failure(
        platform=root.ref.platform,
        pipeline=root.pipeline,
        run_id=root.ref.run_id,
        faults=(said,) if said.message or said.code else (),
        message=root.message,
        ended_at=root.ended_at,
    )


def _fault(alert: Alert) -> Fault:
    return Fault(alert.activity, alert.activity_type, alert.error_code, alert.error_message, alert.failure_type)


async def _opening_of_alert(s: Services, alert: Alert, ref: RunRef, resource: Resource | None) -> Opening:
    """What can be opened from an alert alone."""
    said = _fault(alert)
    failure = Failure(
        platform=alert.platform,
        pipeline=alert.pipeline or "unknown pipeline",
        run_id=ref.run_id,
        faults=(said,) if said.message or said.code else (),
        ended_at=alert.failed_at,
    )
    return Opening(
        ref=ref,
        pipeline=failure.pipeline,
        resource=resource,
        failure=failure,
        diagnosis=await diagnosed(s, failure),
        failed_at=alert.failed_at,
    )


async def _open_unconnected(s: Services, kept: Kept) -> None:
    """An unknown factory opens a ticket at once, under the named run, and is never acted on."""
    alert = kept.alert
    ref = RunRef(alert.platform, alert.resource or "unknown", alert.run_id or nameless(alert))
    opening = await _opening_of_alert(s, alert, ref, None)
    await s.database.write(partial(_settle, s, kept, opening))


async def _ask_again(s: Services, kept: Kept, why: str, longest: timedelta) -> None:
    """The platform could not be asked: a little later, and each time later, but never later than `longest`."""
    later = s.clock.now() + min(timedelta(seconds=2 ** min(kept.tries, 10)), longest)
    await s.database.write(
        lambda db: alerts.put(db, kept, state="looking", reason=why, tries=kept.tries + 1, due_at=later)
    )


async def _platform_is_silent(s: Services, kept: Kept, ref: RunRef, resource: Resource, why: str) -> None:
    if kept.feed_child or s.clock.now() - kept.created_at < PATIENCE:  # a child alone is no reason for a ticket
        await _ask_again(s, kept, why, longest=timedelta(seconds=10))
        return
    opening = await _opening_of_alert(s, kept.alert, ref, resource)
    await s.database.write(partial(_settle, s, kept, replace(opening, root_unknown=True)))


async def _run_unknown(s: Services, kept: Kept, ref: RunRef, resource: Resource) -> None:
    now = s.clock.now()
    if now - kept.created_at < PATIENCE:
        why, later = "the platform does not know the run yet", now + timedelta(seconds=5)
        await s.database.write(
            lambda db: alerts.put(db, kept, state="looking", reason=why, tries=kept.tries + 1, due_at=later)
        )
        return
    opening = await _opening_of_alert(s, kept.alert, ref, resource)
    await s.database.write(partial(_settle, s, kept, replace(opening, run_unknown=True)))


async def _look_for_runs(s: Services, kept: Kept, resource: Resource) -> None:
    """An alert that names no run: the platform is asked which runs failed in its window."""
    alert = replace(kept.alert, resource=resource.id)
    try:
        async with asyncio.timeout(READ_SECONDS):
            runs = [run for run in await s.platforms[alert.platform].find(alert) if not run.debug]
    except (OutsideError, TimeoutError) as error:
        await _look_again(s, kept, resource, str(error) or "no answer in time")
        return
    if not runs:
        await _look_again(s, kept, resource, "no failed run of this pipeline in the window yet")
        return
    now = s.clock.now()
    await s.database.write(partial(_named, kept, runs, now))


def _named(kept: Kept, runs: Sequence[Run], now: datetime, db: sa.Connection) -> None:
    """Each run that was found goes on as an alert of its own, which names it."""
    for run in runs:
        alert = replace(kept.alert, resource=run.ref.resource, run_id=run.ref.run_id, pipeline=run.pipeline)
        alerts.insert(db, alert, now, feed_key=f"found:{kept.id}:{run.ref.run_id}")
    alerts.put(db, kept, state="joined", reason=f"found {len(runs)} failed run(s): {_ids(runs)}")


def _ids(runs: Sequence[Run]) -> str:
    return ", ".join(run.ref.run_id for run in runs[:5]) + (", …" if len(runs) > 5 else "")


async def _look_again(s: Services, kept: Kept, resource: Resource, why: str) -> None:
    tries = kept.tries + 1
    if tries < len(LOOKS):
        later = kept.created_at + timedelta(seconds=LOOKS[tries])
        await s.database.write(lambda db: alerts.put(db, kept, state="looking", reason=why, tries=tries, due_at=later))
        return
    ref = RunRef(kept.alert.platform, resource.id, nameless(kept.alert))
    opening = await _opening_of_alert(s, kept.alert, ref, resource)
    await s.database.write(partial(_settle, s, kept, replace(opening, run_unknown=True)))


def nameless(alert: Alert) -> str:
    """A run id for an alert whose run nobody could find: the same for the same rule, pipeline and window."""
    window = "|".join(str(moment) for moment in alert.window or (alert.failed_at,))
    digest = hashlib.sha256(f"{alert.rule}|{alert.pipeline}|{window}".encode()).hexdigest()
    return f"none:{digest[:16]}"


def _stumbled(s: Services, kept: Kept, error: BaseException, db: sa.Connection) -> None:
    """Three times the same stumble: the alert opens a ticket under its named run, for people."""
    now = s.clock.now()
    if kept.stumbles < 2:
        again = now + timedelta(seconds=5 * 2**kept.stumbles)
        alerts.put(db, kept, state="looking", reason=_short(error), stumbles=kept.stumbles + 1, due_at=again)
        return
    alert = kept.alert
    resource = s.connection(alert.platform, alert.resource)
    where = resource.id if resource else alert.resource or "unknown"
    ref = RunRef(alert.platform, where, alert.run_id or nameless(alert))
    said = _fault(alert)
    failure = Failure(
        platform=alert.platform, pipeline=alert.pipeline or "unknown pipeline", run_id=ref.run_id, faults=(said,)
    )
    opening = Opening(
        ref=ref,
        pipeline=failure.pipeline,
        resource=resource,
        failure=failure,
        diagnosis=None,
        failed_at=alert.failed_at,
        hands_off=f"Pipemend stumbled over this alert three times: {_short(error)}",
    )
    row = tickets.known_run(db, ref)
    ticket_id = str(row.ticket_id) if row else open_ticket(db, s, opening, now)
    alerts.joined(db, kept, ticket_id, _short(error))


def _short(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:300]
