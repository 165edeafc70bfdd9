"""A small platform: scripts whose runs are lines in a file. docs/howto/add-a-platform.md explains it."""

import json
import os
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from pipemend.core.alert import Alert, Door, Signal
from pipemend.core.attempt import Attempt, Declined, Progress, Running, Stage
from pipemend.core.clock import Clock, moment, stamp
from pipemend.core.ports import Remedy
from pipemend.core.rca import Failure, Fault
from pipemend.core.run import Changes, Rerun, Resource, Run, RunRef, RunStatus
from pipemend.settings import Settings


class RunAgain:
    """Adds a line that asks for the script once more."""

    via = "direct"
    first = Stage()  # its first call starts the work

    def __init__(self, scripts: "Scripts") -> None:
        self._scripts = scripts

    async def advance(self, attempt: Attempt, stage: Stage) -> Progress:
        first = self._scripts.line(attempt.original_run_id)
        if first is None:
            return Declined("the failed run is not in the file any more", final=True)
        # The id is made of the attempt's key: the same attempt cannot start two runs.
        self._scripts.write(first["script"], attempt.key, "Queued", group=attempt.original_run_id, by="manual")
        return Running(Rerun(attempt.key))

    async def started(self, attempt: Attempt) -> Sequence[Rerun]:
        line = self._scripts.line(attempt.key)
        return [Rerun(attempt.key, RunStatus(line["status"]))] if line else []


class Scripts:
    """Keeps the promises of `core.ports.Platform` for one file. A run's last line is how it stands."""

    name = "scripts"
    resource_types: tuple[str, ...] = ()
    doors: tuple[Door, ...] = ()

    def __init__(self, file: Path, clock: Clock) -> None:
        self._file, self._clock = file, clock
        self._resource = Resource(self.name, str(file).lower(), file.stem)
        self.connections: Sequence[Resource] = (self._resource,)
        self.remedies: Mapping[str, Remedy] = {"retry_pipeline": RunAgain(self)}

    def write(self, script: str, run_id: str, status: str, error: str = "", **more: str) -> None:
        line = {
            "script": script,
            "run": run_id,
            "status": status,
            "error": error,
            "at": stamp(self._clock.now()),
            **more,
        }
        with self._file.open("a") as out:
            out.write(json.dumps(line) + "\n")

    def line(self, run_id: str) -> dict[str, Any] | None:
        return self._lines().get(run_id)

    def _lines(self) -> dict[str, dict[str, Any]]:
        lines = [json.loads(text) for text in self._file.read_text().splitlines()] if self._file.exists() else []
        return {line["run"]: line for line in lines}

    def _run(self, line: Mapping[str, Any]) -> Run:
        status, at = RunStatus(line["status"]), moment(line["at"])
        return Run(
            ref=RunRef(self.name, self._resource.id, line["run"]),
            pipeline=line["script"],
            status=status,
            group_id=line.get("group", line["run"]),
            started_at=at,
            ended_at=at if status.ended else None,
            manual=line.get("by") == "manual",
            message=line["error"],
        )

    def read(self, signal: Signal) -> Alert | None:
        return None

    async def find(self, alert: Alert) -> Sequence[Run]:
        return [run for run in map(self._run, self._lines().values()) if run.failed and run.pipeline == alert.pipeline]

    async def changes(self, resource: Resource, since: datetime) -> Changes:
        now, after = self._clock.now(), since - timedelta(minutes=2)
        lines = [line for line in self._lines().values() if (moment(line["at"]) or now) >= after]
        return Changes(tuple(map(self._run, lines)), now)

    async def run(self, ref: RunRef) -> Run | None:
        line = self.line(ref.run_id)
        return self._run(line) if line else None

    async def later(self, run: Run) -> Sequence[Run]:
        group = [other for other in map(self._run, self._lines().values()) if other.group_id == run.group_id]
        return [other for other in group if other.ref != run.ref]

    async def failure(self, run: Run) -> Failure:
        fault = Fault(activity=run.pipeline, activity_type="script", message=run.message)
        return Failure(platform=self.name, pipeline=run.pipeline, run_id=run.ref.run_id, faults=(fault,))

    async def cancel(self, ref: RunRef) -> None:
        line = self.line(ref.run_id) or {}
        self.write(line.get("script", ""), ref.run_id, "Cancelled")

    async def close(self) -> None:
        return None


def build(settings: Settings, clock: Clock) -> Scripts | None:
    """The platform, where SCRIPTS_FILE names the file."""
    file = os.environ.get("SCRIPTS_FILE")
    return Scripts(Path(file), clock) if file else None
