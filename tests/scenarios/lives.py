"""A server that dies again and again, and what must be true when it has come to its end."""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.scenarios.installation import Installation, Running

LAUNCHER = str(Path(__file__).with_name("dying.py"))
PLAYBOOKS = "[GatewayTimeout]\nbackoff_seconds = [0.2]\ndeadline_seconds = 6\n"
UNTIRED = {"BREAKER_FAILURES": "100", "BREAKER_OUTCOMES": "100"}  # in each story more repairs fail than go well
GIVEN_UP = "the playbook named no run and none was found before the deadline"
GOES_ON = {"sqlite": 1.0, "postgresql": 8.0}  # seconds after a start until what is due then should be worked on
ENDED = {"succeeded", "failed", "cancelled", "timed_out"}


class Lives:
    """One installation through all its lives: in each of them a pipeline breaks."""

    def __init__(self, installed: Installation, deaths: Sequence[Mapping[str, Any]]) -> None:
        self.installed, self.deaths = installed, list(deaths)
        self.broken: dict[int, str] = {}  # the pipeline that broke in a life
        self.journal = installed.folder / "journal"
        self.entries: list[dict[str, Any]] = []
        self.read = 0
        self.waited: Mapping[str, float] = {}

    def begin(self, *words: str) -> Running:
        """The first life; the launcher of all of them."""
        (self.installed.folder / "playbooks.toml").write_text(PLAYBOOKS)
        self.installed.environment |= UNTIRED
        plan = self.installed.folder / "plan.json"
        plan.write_text(json.dumps(self.deaths))
        self.journal.touch()
        serve = ("serve", "--port", str(self.installed.port))
        command = [LAUNCHER, str(plan), str(self.journal), *(words or serve)]
        self.installed.running.append(Running(command, self.installed.environment, self.installed.folder / "lives.log"))
        return self.installed.main

    def live(self, **story: Any) -> None:
        """Breaks one pipeline in each life, until the last one stays."""
        story = {"outcomes": ["GatewayTimeout", "GatewayTimeout", "Succeeded"], "alert": "log_v2", **story}
        for life, death in enumerate([*self.deaths, None]):
            self.installed.until(lambda life=life: self.ended(life) or self._is_ready(life), f"life {life} begins")  # type: ignore[misc]
            if not self.ended(life):
                self.broken[life] = f"load-{life:03}"
                self.installed.breaks(self.broken[life], **story)
            if death is not None:
                self.installed.until(lambda life=life: self.ended(life), f"life {life} ends: {death}")  # type: ignore[misc]

    def stopped(self) -> int | None:
        """The process that stands at its boundary."""
        return next((int(entry["stops"]) for entry in self.look() if "stops" in entry), None)

    def ended(self, life: int) -> bool:
        return any(entry["life"] == life and "ended" in entry for entry in self.look())

    def _is_ready(self, life: int) -> bool:
        return any(entry["life"] == life for entry in self.look()) and self.installed.ready()

    def look(self) -> list[dict[str, Any]]:
        """The journal so far."""
        with self.journal.open("rb") as file:
            file.seek(self.read)
            whole, _, _ = file.read().rpartition(b"\n")
            self.read += len(whole) + 1 if whole else 0
        self.entries += [json.loads(line) for line in whole.splitlines()]
        return self.entries

    def went_on(self) -> Mapping[str, float]:
        """The seconds from each start until what was due then was worked on, by life and what it was.

        What a life has left when it died is due at the start of the next one; the last life leaves nothing.
        """
        lives = range(1, len(self.deaths) + 1)
        return {f"{what} in life {life}": seconds for life in lives for what, seconds in self._took_up(life)}

    def _took_up(self, life: int) -> Iterator[tuple[str, float]]:
        mine = [entry for entry in self.look() if entry["life"] == life]
        passed = [entry for entry in mine if "boundary" in entry]
        begun = next((entry["t"] for entry in passed if entry["boundary"].startswith("intake.take_due")), None)
        for what in next(entry["due"] for entry in mine if "due" in entry):
            times = [entry["t"] for entry in passed if what in entry["about"] and _is_work(entry)]
            if begun is not None and (times or life == len(self.deaths)):
                yield what, min(times, default=float("inf")) - begun


def _is_work(entry: Mapping[str, Any]) -> bool:
    """Neither a reading of the feed, which sees everything again after a start, nor a message."""
    return not entry["boundary"].startswith(("feed.", "announcements."))


def all_is_well(installed: Installation, pipelines: Sequence[str], seconds: float = 60) -> None:
    """Nothing lost, nothing stuck, nothing started twice, everybody told."""
    for pipeline in pipelines:
        installed.until(lambda pipeline=pipeline: _is_over(installed, pipeline), f"{pipeline} is over", seconds)  # type: ignore[misc]
    wrong = [line for pipeline in pipelines for line in _wrong(installed, pipeline)]
    assert wrong == []
    installed.until(lambda: not _untold(installed), "everybody is told", seconds)
    installed.verified()
    said = installed.twin.get("/twin/slack/messages").json()["messages"]
    issues = installed.twin.get("/twin/jira/issues").json()["issues"]
    for pipeline in pipelines:
        ticket = _ticket(installed, pipeline)
        first = [message for message in said if not message["thread_ts"] and ticket["id"] in str(message)]
        mine = [issue for issue in issues if ticket["id"] in issue["labels"]]
        assert (len(first), len(mine)) == (1, 1), f"{pipeline}: {len(first)} messages, {len(mine)} issues"


def _ticket(installed: Installation, pipeline: str) -> Mapping[str, Any]:
    ticket = installed.ticket(pipeline)
    assert ticket is not None, f"{pipeline} has no ticket"
    return ticket


def _attempts(installed: Installation, ticket: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = installed.get(f"/api/tickets/{ticket['id']}/remediation-history")["attempts"]
    return found


def _is_over(installed: Installation, pipeline: str) -> bool:
    ticket = installed.ticket(pipeline)
    if ticket is None or not all(attempt["status"] in ENDED for attempt in _attempts(installed, ticket)):
        return False
    return "acknowledged" in ticket["status"] or "failed" in str(ticket["remediation_status"])


def _wrong(installed: Installation, pipeline: str) -> Iterator[str]:
    ticket = _ticket(installed, pipeline)
    attempts, reruns = _attempts(installed, ticket), installed.reruns(pipeline)
    started = [attempt["remediation_run_id"] for attempt in attempts if attempt["remediation_run_id"]]
    if sorted(started) != sorted(run["runId"] for run in reruns):
        yield f"{pipeline}: attempts know {started}, there are {[run['runId'] for run in reruns]}"
    for earlier, later in pairwise(reruns):
        if earlier["status"] != "Failed" or earlier["runEnd"] > later["runStart"]:
            yield f"{pipeline}: {later['runId']} was started beside or after {earlier['runId']}"
    if ticket["status"] == "acknowledged":
        if ticket["ack_user"] != "AI_AUTO_HEAL":
            yield f"{pipeline}: closed by {ticket['ack_user']}"
    elif GIVEN_UP not in str([attempt["failure_reason"] for attempt in attempts]):
        yield f"{pipeline}: left to people: {[attempt['failure_reason'] for attempt in attempts]}"
    elif len(reruns) == len(attempts):
        yield f"{pipeline}: given up, but every call had started its run"


def _untold(installed: Installation) -> bool:
    return any(notifier["waiting"] for notifier in installed.get("/api/system")["notifiers"])
