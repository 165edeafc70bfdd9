"""Many reruns in flight: what watching them costs, how fast their end is noticed, and how fast after a crash."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from bench.alone import Use, alone, use_over
from bench.figures import Figure
from bench.installation import at_work
from bench.invented import Invented
from bench.place import opened, place
from bench.size import Size
from pipemend.core.attempt import AttemptStatus
from pipemend.core.run import Run, RunRef, RunStatus
from pipemend.core.ticket import AI_USER, RemediationStatus, Status
from pipemend.store.database import Database
from pipemend.store.schema import attempts, ticket_runs, tickets

AFTER_A_CRASH = 2000


def flight(kind: str, size: Size) -> Iterator[Figure]:
    one, ten = _flown(kind, size, 1), _flown(kind, size, 10)
    use, calls = one.use, f"{one.calls:.1f}, {ten.calls:.1f}"
    what = f"memory with {size.many} reruns in flight"
    yield Figure(what, f"{use.megabytes:.0f} MB", "400 MB", use.megabytes < 400)
    yield Figure("  of a core between ticks", f"{use.core:.0%}", "25 %", use.core <= 0.25)
    yield Figure("  outside calls a tick, 1 and 10 connections", calls, "1, 10", one.calls <= 1.5)
    yield Figure("all end within one tick: all closed after", f"{one.closed:.1f} s", "20 s", one.closed <= 20)
    many = min(size.many, AFTER_A_CRASH)
    crash = _flown(kind, replace(size, many=many), 1, ended_before=True)
    what = f"a start with {many} that ended meanwhile: first closed after"
    yield Figure(what, f"{crash.first:.1f} s", "1 s", crash.first <= 1)
    yield Figure("  all closed after", f"{crash.closed:.1f} s")


@dataclass(frozen=True, slots=True)
class Flown:
    use: Use
    calls: float
    first: float
    closed: float


def _flown(kind: str, size: Size, connections: int, *, ended_before: bool = False) -> Flown:
    with place(kind) as url:
        return alone(fly, url, size.many, connections, size.seconds, ended_before)


async def fly(url: str, many: int, connections: int, seconds: float, ended_before: bool) -> Flown:
    with opened(url) as database:
        platform = Invented(connections, rerun_seconds=None)
        _take_off(database, platform, many)
        if ended_before:
            platform.end_all()
        watch = max(seconds / 2, 0.5)
        begun = time.monotonic()
        async with at_work(database, platform, watch=watch):
            if ended_before:
                return Flown(Use(0, 0), 0, await _closed(database, begun, 1), await _closed(database, begun, many))
            await asyncio.sleep(watch)
            before = platform.calls.total()
            use = await use_over(watch * 2)
            calls = (platform.calls.total() - before) / 2
            platform.end_all()
            begun = time.monotonic()
            first = await _closed(database, begun, 1)
            return Flown(use, calls, first, await _closed(database, begun, many))


async def _closed(database: Database, begun: float, number: int) -> float:
    """Seconds until so many tickets are closed."""
    wish = sa.select(sa.func.count()).where(tickets.c.tab == "closed")
    while (await database.read(lambda db: db.scalar(wish)) or 0) < number:
        if time.monotonic() - begun > 300:
            raise TimeoutError(f"{number} tickets were not closed within 300 s")
        await asyncio.sleep(0.1)
    return time.monotonic() - begun


def _take_off(database: Database, platform: Invented, many: int) -> None:
    """So many repairs whose rerun runs, as if they had been started a minute ago."""
    at = platform.clock.now() - timedelta(minutes=1)
    rows: dict[sa.Table, list[dict[str, Any]]] = {tickets: [], ticket_runs: [], attempts: []}
    for n in range(many):
        where = platform.connections[n % len(platform.connections)]
        name, root, again = f"ADF-flight-{n:05}", f"root-{n}", f"root-{n}-again"
        key = {"platform": platform.name, "resource": where.id}
        ref = RunRef(platform.name, where.id, again)
        platform.runs[again] = Run(
            ref=ref, pipeline=f"load-{n}", status=RunStatus.IN_PROGRESS, group_id=root, started_at=at, manual=True
        )
        rows[tickets].append(_ticket(name, f"load-{n}", root, again, at) | key | {"connection": where.name})
        ended = {"role": "root", "status": "Failed", "ended_at": at}
        rows[ticket_runs].append({**key, "run_id": root, "ticket_id": name, **ended})
        running = {"role": "rerun", "status": "InProgress", "ended_at": None}
        rows[ticket_runs].append({**key, "run_id": again, "ticket_id": name, **running})
        rows[attempts].append(_attempt(name, root, again, at))
    with database.engine.begin() as db:
        if not database.several:
            db.exec_driver_sql("BEGIN IMMEDIATE")
        for table, those in rows.items():
            db.execute(table.insert(), those)


def _ticket(name: str, pipeline: str, root: str, again: str, at: Any) -> dict[str, Any]:
    state = {"status": Status.OPEN, "remediation_status": RemediationStatus.IN_PROGRESS, "remediation_attempts": 1}
    error = {"error_type": "GatewayTimeout", "severity": "Medium", "priority": "P3", "auto_heal_possible": True}
    sla = {"sla_seconds": 7200, "sla_status": "Pending", "max_attempts": 3, "remediation_run_id": again}
    runs = {"run_id": root, "root_run_id": root, "run_group_id": root, "run_ended_at": at, "failed_at": at}
    told = {"rca": {}, "recommendations": [], "decision": {"answer": "try"}}
    return {"id": name, "timestamp": at, "pipeline": pipeline, **runs, **state, **error, **sla, **told}


def _attempt(name: str, root: str, again: str, at: Any) -> dict[str, Any]:
    how = {"error_type": "GatewayTimeout", "remediation_action": "retry_pipeline", "via": "direct", "by": AI_USER}
    times = {"created_at": at, "started_at": at, "deadline": at + timedelta(hours=1), "due_at": at + timedelta(hours=1)}
    runs = {"original_run_id": root, "reference_run_id": root, "remediation_run_id": again}
    number = {"attempt_number": 1, "max_retries": 3, "status": AttemptStatus.IN_PROGRESS}
    return {"key": f"{name}-1", "ticket_id": name, **how, **times, **runs, **number}
