"""A Data Factory that knows every run it is asked for, and answers at once: what is measured is ours alone."""

import asyncio
import itertools
import json
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from pipemend.core.alert import Alert, Signal
from pipemend.core.attempt import Attempt, Progress, Running, Stage
from pipemend.core.clock import WallClock, stamp
from pipemend.core.rca import Failure, Fault
from pipemend.core.run import Changes, Rerun, Resource, Run, RunRef, RunStatus
from pipemend.platforms.data_factory import alerts
from tests.fakes.factory import FakeFactory, FakeRerun

PATH = "/subscriptions/5/resourcegroups/rg/providers/microsoft.datafactory/factories/adf-bench"
LATE = timedelta(minutes=2)
GATEWAY = "The remote server returned an error: (504) Gateway Timeout. The request timed out at the source system."


def resource(number: int = 0) -> Resource:
    name = f"adf-bench{number or ''}"
    return Resource("data_factory", f"{PATH}{number or ''}", name)


class Invented(FakeFactory):
    """`rerun_seconds`: how long a rerun takes; None means until `end_all`. Each call is counted."""

    def __init__(self, connections: int = 1, rerun_seconds: float | None = 0.0) -> None:
        super().__init__(WallClock())
        self.connections = [resource(number) for number in range(connections)]
        self.rerun_seconds = rerun_seconds
        self.calls: Counter[str] = Counter()
        self.started_at: dict[str, datetime] = {}
        self.rerun = Instant(self)
        self.remedies = {"retry_pipeline": self.rerun}
        self._ended: list[Run] = []  # in the order of their ends
        self._ends: list[datetime] = []

    def read(self, signal: Signal) -> Alert | None:
        return alerts.read(signal, lambda name: None)

    async def run(self, ref: RunRef) -> Run | None:
        self.calls["run"] += 1
        if ref.run_id not in self.runs:
            self.invent(ref)
        return self.runs[ref.run_id]

    def invent(self, ref: RunRef) -> Run:
        """A run that has failed just now; its pipeline is the part of its id before the last stroke."""
        now = self.clock.now()
        pipeline = ref.run_id.rpartition("|")[0] or ref.run_id
        failed = Run(ref=ref, pipeline=pipeline, status=RunStatus.FAILED, group_id=ref.run_id, ended_at=now)
        self.runs[ref.run_id] = failed
        return failed

    async def later(self, run: Run) -> Sequence[Run]:
        self.calls["later"] += 1
        return []

    async def failure(self, run: Run) -> Failure:
        self.calls["failure"] += 1
        fault = Fault("Copy data1", "Copy", "GatewayTimeout", GATEWAY, "SystemError")
        return Failure(platform=self.name, pipeline=run.pipeline, run_id=run.ref.run_id, faults=(fault,))

    async def changes(self, resource: Resource, since: datetime) -> Changes:
        """What has ended since then, and in the two minutes before: as long as a run may need to show up."""
        self.calls["changes"] += 1
        now = self.clock.now()
        first = bisect_left(self._ends, since - LATE)
        mine = [run for run in self._ended[first:] if run.ref.resource == resource.id]
        return Changes(tuple(mine), now)

    def start(self, attempt: Attempt) -> str:
        """A rerun, which ends by itself if that was asked for."""
        self.calls["start"] += 1
        run_id = f"{attempt.original_run_id}-again-{attempt.attempt_number}"
        ref = RunRef(self.name, attempt.resource, run_id)
        now = self.clock.now()
        begun = Run(ref=ref, pipeline=attempt.pipeline, status=RunStatus.IN_PROGRESS, started_at=now, manual=True)
        self.runs[run_id] = replace(begun, group_id=attempt.run_group_id)
        self.started_at[attempt.original_run_id] = now
        if self.rerun_seconds is not None:
            asyncio.get_running_loop().call_later(self.rerun_seconds, self.end, run_id)
        return run_id

    def end(self, run_id: str) -> None:
        now = self.clock.now()
        ended = replace(self.runs[run_id], status=RunStatus.SUCCEEDED, ended_at=now)
        self.runs[run_id] = ended
        self._ended.append(ended)
        self._ends.append(now)

    def end_all(self) -> None:
        for run_id, run in self.runs.items():
            if not run.ended:
                self.end(run_id)


class Instant(FakeRerun):
    """Starts at once."""

    factory: Invented

    async def advance(self, attempt: Attempt, stage: Stage) -> Progress:
        return Running(Rerun(self.factory.start(attempt), RunStatus.IN_PROGRESS))

    async def started(self, attempt: Attempt) -> Sequence[Rerun]:
        return []


def deliveries(pipeline: str = "{n}", run: str = "{n}", first: int = 0) -> Iterator[bytes]:
    """Bodies of Azure Monitor, no two the same. `pipeline` and `run` may hold the number `{n}`."""
    for n in itertools.count(first):
        yield json.dumps(_alert(pipeline.format(n=n), f"{pipeline}|{run}".format(n=n), n)).encode()


def _alert(pipeline: str, run_id: str, n: int) -> object:
    dimensions = {
        "PipelineName": pipeline,
        "PipelineRunId": run_id,
        "ActivityName": "Copy data1",
        "ActivityType": "Copy",
        "ErrorCode": "2200",
        "ErrorMessage": GATEWAY,
        "FailureType": "SystemError",
    }
    condition = {
        "searchQuery": f"ADFActivityRun | where Status == 'Failed' | where PipelineName == '{pipeline}'",
        "metricMeasureColumn": None,
        "targetResourceTypes": "['Microsoft.OperationalInsights/workspaces']",
        "operator": "GreaterThan",
        "threshold": "0",
        "timeAggregation": "Count",
        "dimensions": [{"name": name, "value": value} for name, value in dimensions.items()],
        "metricValue": 1.0,
        "failingPeriods": {"numberOfEvaluationPeriods": 1, "minFailingPeriodsToAlert": 1},
        "linkToSearchResultsUI": "https://portal.azure.com/#view/Microsoft_Azure_Monitoring_Logs/LogsBlade/source/A",
        "linkToSearchResultsAPI": "https://api.loganalytics.io/v1/workspaces/7c1f60d4-9c2b-4e43-8f6a-2f2cbf1a6a10",
    }
    at = stamp(WallClock().now())
    essentials = {
        "alertId": f"/subscriptions/5/providers/Microsoft.AlertsManagement/alerts/{n:08}",
        "alertRule": f"{pipeline} failed",
        "severity": "Sev3",
        "signalType": "Log",
        "monitorCondition": "Fired",
        "monitoringService": "Log Alerts V2",
        "alertTargetIDs": [PATH],
        "configurationItems": ["adf-bench"],
        "originAlertId": f"{n:032}",
        "firedDateTime": at,
        "description": f"Pipeline {pipeline} failed",
        "essentialsVersion": "1.0",
        "alertContextVersion": "1.0",
    }
    window = {"windowStartTime": at, "windowEndTime": at}
    context = {"conditionType": "LogQueryCriteria", "condition": {"windowSize": "PT5M", "allOf": [condition], **window}}
    return {
        "schemaId": "azureMonitorCommonAlertSchema",
        "data": {"essentials": essentials, "alertContext": {"properties": {}, **context}},
    }
