"""The repair: look, call, and what follows when a rerun did not succeed. The story is short; steps are the effects."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import sqlalchemy as sa

from pipemend.core.attempt import (
    DEADLINE,
    Attempt,
    AttemptStatus,
    Declined,
    Needs,
    Progress,
    Stage,
    Unknown,
    Wait,
)
from pipemend.core.clock import stamp
from pipemend.core.errors import NoAnswer, OutsideError, Unreadable
from pipemend.core.guardrails import Decision, judge
from pipemend.core.limits import room_left
from pipemend.core.playbook import PipelineRule, Playbook
from pipemend.core.ports import Platform
from pipemend.core.rca import History
from pipemend.core.run import Run, RunRef, RunStatus
from pipemend.core.situation import Crowd, Standing
from pipemend.core.ticket import RECOVERED_USER, Ticket
from pipemend.engine import flow, step
from pipemend.flows import definitions, elsewhere, endings, upstream
from pipemend.flows.decision import Grounds, ask, facts, remember, situation
from pipemend.flows.doubts import doubt
from pipemend.flows.saving import surely
from pipemend.flows.services import Services, services
from pipemend.flows.settling import AGAIN, changed, failed, settle, unclear
from pipemend.store import attempts, borrowed, tickets
from pipemend.store.leases import SILENCE

log = logging.getLogger(__name__)
LOOK_SECONDS, CALL_SECONDS = 10, 120
FRESH = timedelta(seconds=10)  # so old may be what the platform said when a look is taken for a decision
STALE = FRESH + timedelta(seconds=LOOK_SECONDS)  # and so old when the rerun starts
HELD_UP = timedelta(seconds=SILENCE)
LATE = Declined("we were held up before the call: nothing was started", final=False)
DECIDED = (Standing.RECOVERED, Standing.RERUN_RUNS, Standing.OURS_RUNS)
FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
Begins = Callable[[sa.Connection, Services, str, int, Mapping[str, Any], datetime], Attempt | None]


@flow("attempt")
async def attempt_flow(key: str, revision: int) -> None:
    """One attempt: see how the work stands, then call, if no guardrail objects."""
    await call(key, revision, await look(key))


@flow("conclude")
async def conclude_flow(key: str, revision: int, run_id: str) -> None:
    """A rerun has failed: find out why, then decide whether to try again."""
    await conclude(key, revision, await read_failure(key, run_id))


@step("attempt.look", again=True)
async def look(key: str) -> Mapping[str, Any]:
    """How the failed work stands now, by the platform's own word."""
    return await _see(services(), key)


async def _see(s: Services, key: str) -> Mapping[str, Any]:
    attempt = await s.database.read(lambda db: attempts.get(db, key))
    ours = await s.database.read(lambda db: _our_runs(db, attempt.ticket_id))
    platform = s.platforms[attempt.platform]
    asked = s.clock.now()
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            root = await platform.run(RunRef(attempt.platform, attempt.resource, attempt.original_run_id))
            how = await standing(platform, root, ours)
            how = how if how in DECIDED else await doubt(s, attempt) or how
            return facts(asked, how, edited=await _edited(s, platform, attempt, root))
    except TimeoutError:
        return facts(asked, unreachable=f"{platform.name} did not answer within {LOOK_SECONDS} s")
    except OutsideError as error:
        return facts(asked, unreachable=str(error))


async def _edited(s: Services, platform: Platform, attempt: Attempt, root: Run | None) -> bool:
    """Whether the pipeline is another one than when it failed, as far as both are known."""
    was = (await s.database.read(lambda db: tickets.get(db, attempt.ticket_id))).definition
    now = await definitions.now(platform, root) if was and root else None
    return now is not None and now != was


def _our_runs(db: sa.Connection, ticket_id: str) -> set[str]:
    return {row.run_id for row in tickets.runs_of(db, ticket_id) if row.role != "person"}


async def standing(platform: Platform, root: Run | None, ours: set[str]) -> Standing:
    """By the later runs of the group or trigger window, our own reruns among them."""
    if root is None:
        return Standing.FAILED
    return judge_later(root, await platform.later(root), ours)


def judge_later(root: Run, later: Sequence[Run], ours: set[str]) -> Standing:
    """What later runs of the same work mean for a repair. A rerun of ours past its deadline may still run."""
    went_well = _latest_end(RunStatus.SUCCEEDED, root, *later)
    if went_well > FIRST and went_well >= _latest_end(RunStatus.FAILED, root, *later):
        return Standing.RECOVERED
    others = [run for run in later if run.ref.run_id not in ours]
    if any(not run.ended for run in others):
        return Standing.RERUN_RUNS
    if any(not run.ended for run in later):
        return Standing.OURS_RUNS
    return Standing.TAKEN_OVER if any(run.failed for run in others) else Standing.FAILED


def _latest_end(status: RunStatus, *runs: Run) -> datetime:
    """When the last of the runs that ended so did, FIRST if none has; an end without a time is the newest."""
    ends = [run.ended_at or LAST for run in runs if run.status is status]
    return max(ends, default=FIRST)


@step("attempt.call")
async def call(key: str, revision: int, seen: Mapping[str, Any]) -> None:
    """Starts the rerun, at most once: the attempt is `starting` on disk before anything leaves us."""
    await carry_on(key, revision, seen, begin)


async def carry_on(key: str, revision: int, seen: Mapping[str, Any], begins: Begins) -> None:
    """Judges by what was seen, calls if nobody objects, and saves what came of it."""
    s = services()
    if s.clock.now() - datetime.fromisoformat(seen["at"]) > FRESH:  # a crash lay between: look again
        seen = await _see(s, key)
    while (begun := await surely(s, partial(_begin_now, s, begins, key, revision, seen))) is None:
        seen = await _see(s, key)
    began, attempt = begun
    if attempt is not None:
        # Frozen just now: others have this attempt already. What only prepares looks before it acts.
        held_up = not attempt.prepares and s.clock.now() - began > HELD_UP
        progress = LATE if held_up else await advance(s, attempt)
        if isinstance(progress, Needs):
            progress = await upstream.run_again(s, attempt, progress)
        await surely(s, partial(_settle, s, key, progress))
    s.wake.set()


def _settle(s: Services, key: str, progress: Progress, db: sa.Connection) -> None:
    settle(db, s, key, progress, s.clock.now())


def _begin_now(
    s: Services, begins: Begins, key: str, revision: int, seen: Mapping[str, Any], db: sa.Connection
) -> tuple[datetime, Attempt | None] | None:
    """When it began, and what is to be called; None when the database was away for so long that one must look again."""
    now = s.clock.now()
    if seen["unreachable"] is None and now - datetime.fromisoformat(seen["at"]) > STALE:
        return None
    return now, begins(db, s, key, revision, seen, now)


def begin(
    db: sa.Connection, s: Services, key: str, revision: int, seen: Mapping[str, Any], now: datetime
) -> Attempt | None:
    """Judges once more and moves the attempt to `starting`; None when it is not to be called."""
    ticket = tickets.lock(db, attempts.get(db, key).ticket_id)
    attempt = attempts.get(db, key)
    if attempt.revision != revision:
        return None  # overtaken: somebody else moved it
    if attempt.prepares:
        return attempt  # a crash lay between: its stage looks before it acts
    if attempt.status is AttemptStatus.STARTING:
        unclear(db, s, attempt, Unknown("we stopped while the call was being made"), now)
        return None
    if attempt.status is not AttemptStatus.WAITING:
        return None
    if ticket.closed:
        endings.cancel_waiting(db, s, ticket, f"the ticket was closed by {ticket.ack_user}", now)
        return None
    grounds = Grounds(
        error_type=attempt.error_type,
        possible=True,
        standing=Standing(seen["standing"]),
        unreachable=seen["unreachable"],
        edited=seen.get("edited", False),
    )
    if grounds.standing is Standing.RECOVERED:
        endings.closed_without_us(db, s, ticket, RECOVERED_USER, "a later run of the same work has succeeded", now)
        return None
    return judged(db, s, ticket, attempt, grounds, now)


def judged(
    db: sa.Connection,
    s: Services,
    ticket: Ticket,
    attempt: Attempt,
    grounds: Grounds,
    now: datetime,
    *,
    crowd: Crowd | None = None,
) -> Attempt | None:
    """Starts the attempt, puts it off, or ends it, as the guardrails say. `crowd`: it has no place yet."""
    view = situation(db, s, ticket, grounds, now, starts=True, crowd=crowd, attempt=attempt)
    decision = judge(view)
    was = str(ticket.decision.get("why", ""))
    ticket = remember(db, ticket, decision, view.limit, now)
    if decision.never:
        endings.left_to_people(db, s, ticket, decision.why, now, status=endings.repair_so_far(ticket))
        return None
    if decision.asks:  # the rules have changed since it was decided
        ticket = endings.take_back(db, s, ticket, decision.why, now)
        ask(db, s, ticket, grounds, view, decision, now)
        return None
    if decision.until is not None:
        _put_off(db, s, attempt, decision, decision.why if decision.why != was else None, now)
        return None
    remedy = s.platforms[attempt.platform].remedies[attempt.remediation_action]
    tickets.move(db, ticket, remediation_attempts=attempt.attempt_number, remediation_last_attempt_at=now)
    return attempts.move(
        db,
        attempt,
        AttemptStatus.STARTING,
        started_at=now,
        via=remedy.via,
        held=None,
        stage=remedy.first.name or None,
        deadline=now + deadline(db, ticket, view.playbook, view.pipeline),
    )


def _put_off(
    db: sa.Connection, s: Services, attempt: Attempt, decision: Decision, news: str | None, now: datetime
) -> None:
    """It waits on. What only waits for room stays due, so that the oldest is the first to get it."""
    room_only = {word.guardrail for word in decision.words if word.objection} == {room_left.__name__}
    due = attempt.due_at if room_only else decision.until
    held = decision.why if room_only else None
    attempts.move(db, attempt, AttemptStatus.WAITING, due_at=due, held=held, revision=attempt.revision + 1)
    if news:
        until = None if room_only or due is None else stamp(due)
        changed(db, s, attempt, "waiting", now, reason=news, due_at=until)


def deadline(db: sa.Connection, ticket: Ticket, book: Playbook | None, rule: PipelineRule) -> timedelta:
    """The rule's, else the playbook's, else an hour, or twice what reruns of the pipeline usually take."""
    own = rule.deadline_seconds or (book.deadline_seconds if book else None)
    if own:
        return timedelta(seconds=own)
    usual = attempts.usual_duration(db, ticket.platform, ticket.resource, ticket.pipeline)
    return max(DEADLINE, 2 * usual) if usual else DEADLINE


async def advance(s: Services, attempt: Attempt) -> Progress:
    """The call itself. Whatever is not certain to have started nothing is unknown, and looked for."""
    remedy = s.platforms[attempt.platform].remedies[attempt.remediation_action]
    terms = await s.database.read(lambda db: borrowed.terms(db, attempt.key)) if attempt.prepares else {}
    try:
        async with asyncio.timeout(CALL_SECONDS):
            return await remedy.advance(attempt, Stage(attempt.stage or "", terms))
    except TimeoutError:
        return _lost(attempt, f"no answer within {CALL_SECONDS} s")
    except (NoAnswer, Unreadable) as error:
        return _lost(attempt, str(error))
    except OutsideError as error:
        if error.transient and attempt.prepares:
            return _lost(attempt, str(error))
        return Declined(str(error), final=not error.transient)


def _lost(attempt: Attempt, why: str) -> Progress:
    """What a lost answer means: a run may have been started; a stage that only prepares is gone through again."""
    return Wait(AGAIN, attempt.stage or "", why) if attempt.prepares else Unknown(why)


@step("conclude.read", again=True)
async def read_failure(key: str, run_id: str) -> Mapping[str, Any]:
    """The rerun's own error, diagnosed: a different one meets its own playbook, a permanent one stops at once."""
    s = services()
    attempt = await s.database.read(lambda db: attempts.get(db, key))
    platform = s.platforms[attempt.platform]
    async with asyncio.timeout(LOOK_SECONDS * 3):
        run = await platform.run(RunRef(attempt.platform, attempt.resource, run_id))
        if run is None:
            return {"error_type": attempt.error_type, "possible": True, "says": "", "reason": "the rerun is gone"}
        failure = await platform.failure(run)
    failure = await elsewhere.explained(s, failure)
    await s.database.write(lambda db: elsewhere.claim(db, s, attempt.ticket_id, failure.pages, s.clock.now()))
    diagnosis = await s.analyzer.diagnose(failure, History())
    ticket = await s.database.read(lambda db: tickets.get(db, attempt.ticket_id))
    reason = (failure.fault.message or run.message or "the rerun failed without a message")[:2000]
    grounds = Grounds.of_diagnosis(s, ticket, diagnosis, reason)
    return {
        "error_type": grounds.error_type,
        "possible": grounds.possible,
        "says": grounds.says,
        "reason": reason,
    }


@step("conclude.settle", again=True)
async def conclude(key: str, revision: int, found: Mapping[str, Any]) -> None:
    """Ends the attempt and decides what follows."""
    s = services()
    await surely(s, partial(_conclude, s, key, revision, found))
    s.wake.set()


def _conclude(s: Services, key: str, revision: int, found: Mapping[str, Any], db: sa.Connection) -> None:
    tickets.lock(db, attempts.get(db, key).ticket_id)
    attempt = attempts.get(db, key)
    if attempt.status is not AttemptStatus.IN_PROGRESS or attempt.revision != revision:
        return  # done before a crash, or overtaken
    failed(db, s, attempt, found["reason"], s.clock.now(), final=False, grounds=Grounds(**found))
