"""The remedy for a run that failed with the run it had started on another platform: what that one used is got ready
there, then the failed run is run again here."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from urllib.parse import urlsplit

from pipemend.core.attempt import Attempt, Declined, Progress, Stage, Wait
from pipemend.core.ports import KnowsPages, Platform, Remedy
from pipemend.core.run import Rerun, RunRef


class ReadyElsewhere:
    """Goes through the stages of another platform's remedy for the run there; its last one is our own rerun.

    What that remedy borrows is borrowed there, so that attempts of both platforms wait for each other.
    """

    via = "direct"

    def __init__(self, own: Platform, others: Mapping[str, Platform], remedies: Mapping[str, Remedy], rerun: Remedy):
        self._own = own
        self._others = others
        self._remedies = remedies
        self._rerun = rerun
        self.first = next(iter(remedies.values())).first

    async def advance(self, attempt: Attempt, stage: Stage) -> Progress:
        if stage.starts:
            return await self._rerun.advance(attempt, stage)
        ran = RunRef(*stage.terms["ran"]) if "ran" in stage.terms else await self._ran(attempt)
        if not isinstance(ran, RunRef):
            return Declined(ran, final=True)
        there = replace(attempt, platform=ran.platform, resource=ran.resource, reference_run_id=ran.run_id)
        progress = await self._remedies[ran.platform].advance(there, stage)
        if not isinstance(progress, Wait) or progress.lease is None:
            return progress
        terms = {**progress.lease.terms, "ran": [ran.platform, ran.resource, ran.run_id]}
        lease = replace(progress.lease, terms=terms, platform=ran.platform, resource=ran.resource)
        return replace(progress, lease=lease)

    async def started(self, attempt: Attempt) -> Sequence[Rerun]:
        return await self._rerun.started(attempt)

    async def _ran(self, attempt: Attempt) -> RunRef | str:
        """The run elsewhere that failed, or why there is none."""
        run = await self._own.run(attempt.reference)
        pages = (await self._own.failure(run)).pages if run is not None else ()
        platforms = [other for other in self._others.values() if isinstance(other, KnowsPages)]
        refs = (other.run_at(page) for page in pages for other in platforms)
        hosts = ", ".join(dict.fromkeys(urlsplit(page).netloc for page in pages))
        missing = f"there is no connection for {hosts}, where it ran" if hosts else "it names no run elsewhere"
        return next(filter(None, refs), None) or f"{attempt.remediation_action}: {missing}"
