"""What Pipemend does to a failed pipeline of Data Factory by itself."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

from pipemend.clients.answers import Sleep, start_once
from pipemend.core.attempt import Attempt, Declined, Progress, Running, Stage, Unknown
from pipemend.core.clock import Clock
from pipemend.core.errors import Missing, NotAllowed, OutsideError, Refused, Throttled, Unreachable
from pipemend.core.run import Rerun, Run
from pipemend.platforms.data_factory.client import Factories
from pipemend.platforms.data_factory.runs import run_of

TOLERANCE = timedelta(minutes=2)
LARGEST_SKEW = timedelta(minutes=15)
AHEAD = timedelta(days=1)


class RetryPipeline:
    """Runs what failed in the latest failed run once more: same parameters, same run group."""

    via = "direct"
    first = Stage()

    def __init__(self, factories: Factories, clock: Clock, sleep: Sleep = asyncio.sleep) -> None:
        self._factories = factories
        self._clock = clock
        self._sleep = sleep

    async def advance(self, attempt: Attempt, stage: Stage) -> Progress:
        """Asks for the rerun, once. It is repeated only where provably nothing was started."""
        try:
            factory = self._factories.of(attempt.resource)
            run_id = await start_once(
                lambda: factory.create_run(attempt.pipeline, attempt.reference_run_id), self._sleep
            )
        except NotAllowed as error:
            # 403 is a missing permission. A 401 is a token that was refused, shortly after it was good enough to read.
            return Declined(str(error), final=error.status != 401)
        except Missing as error:
            return Declined(str(error), final=True)
        except Refused as error:
            # 409: something else is going on in the factory, which may be over when the next attempt comes.
            return Declined(str(error), final=error.status != 409)
        except (Unreachable, Throttled) as error:
            return Declined(str(error), final=False)
        except OutsideError as error:
            return Unknown(str(error))
        return Running(Rerun(run_id))

    async def started(self, attempt: Attempt) -> Sequence[Rerun]:
        """Manual runs that began after the call. A direct call starts in the run's own group and nowhere else; a
        playbook may have started a run outside of it, so there all of the pipeline are candidates.

        The rerun of an earlier attempt that began shortly before is among them: the caller knows which are claimed.
        """
        factory = self._factories.of(attempt.resource)
        called, now = max(attempt.started_at, attempt.created_at), self._clock.now()
        found = await factory.runs({"PipelineName": attempt.pipeline}, called - LARGEST_SKEW, now + AHEAD)
        earliest = called - TOLERANCE - _behind(found.at, now)
        runs = (run_of(row, factory.resource) for row in found.rows)
        candidates = [run for run in runs if run and _may_be_ours(run, attempt, earliest)]
        reruns = [_rerun(run, attempt) for run in candidates]
        return [rerun for rerun in reruns if rerun.same_group or attempt.via == "playbook"]


def _behind(theirs: datetime | None, ours: datetime) -> timedelta:
    """How far Data Factory's clock is behind ours: its runs then seem to have begun before we called."""
    return min(max(ours - theirs, timedelta()), LARGEST_SKEW) if theirs else timedelta()


def _may_be_ours(run: Run, attempt: Attempt, earliest: datetime) -> bool:
    # A run that has not begun yet has no time; that it was updated in the window is known.
    in_time = run.started_at is None or run.started_at >= earliest
    return run.manual and in_time and run.ref.run_id not in (attempt.original_run_id, attempt.reference_run_id)


def _rerun(run: Run, attempt: Attempt) -> Rerun:
    groups = (attempt.run_group_id,) if attempt.run_group_id else (attempt.original_run_id, attempt.reference_run_id)
    return Rerun(run.ref.run_id, run.status, run.started_at, manual=run.manual, same_group=run.group_id in groups)
