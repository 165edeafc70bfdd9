"""Runs the ordinary program and kills it at named places, from outside: `python dying.py PLAN JOURNAL serve …`.

The program knows nothing of it. What goes over a boundary (a transaction of ours, a request to the outside, a record of
the engine) is wrapped here, written to the journal, and at the boundary that is meant the process kills itself with
SIGKILL: nothing is flushed, no handler runs. PLAN is a JSON list with one death for each life: `{"at": name}`, with
`"nth"` when the first time is not meant and `"stop"` for SIGSTOP instead, or `{"after": seconds}`. After the last death
one more life begins, which nobody ends but SIGTERM, unless the death is `"final"`.

Lives are forks of one process that has everything imported already, so that a start costs little.
"""

import ctypes
import functools
import json
import os
import re
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Any

from pipemend.store.database import Database
from pipemend.store.writer import Unit

PR_SET_PDEATHSIG = 1
LATE = (
    "pipemend.cli.app",
    "pipemend.cli.serve",
    "pipemend.cli.worker",
    "pipemend.clients.azure_sdk",
    "pipemend.engine",
    "pipemend.flows.explanation",
    "pipemend.flows.remediation",
    "pipemend.flows.worker",
    "pydantic_ai.models.google",
    "pydantic_ai.providers.google",
    "slack_sdk.web.async_client",
)
AGAIN = re.compile(r"^[0-9]+$|^[0-9a-f-]{16,}$|^[A-Z]+-[0-9]+$")  # a part of a path that is different each time


class Journal:
    """Every boundary that was passed, one line each, by all lives."""

    def __init__(self, path: Path) -> None:
        self.file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def write(self, **entry: Any) -> None:
        os.write(self.file, json.dumps({"t": time.time(), **entry}).encode() + b"\n")


class Fate:
    """When this life ends."""

    def __init__(self, journal: Journal, life: int, death: dict[str, Any] | None) -> None:
        self.journal, self.life, self.death = journal, life, death or {}
        self.passed = Counter[str]()

    def passes(self, boundary: str, about: list[str] | None = None) -> None:
        """Notes the boundary, and does not return when it is the one."""
        self.passed[boundary] += 1
        self.journal.write(life=self.life, boundary=boundary, about=about or [])
        if self.death.get("at") == boundary and self.passed[boundary] >= self.death.get("nth", 1):
            self.journal.write(life=self.life, stops=os.getpid())
            os.kill(os.getpid(), signal.SIGSTOP if self.death.get("stop") else signal.SIGKILL)
            self.death = {}

    def waits(self) -> None:
        if "after" in self.death:
            timer = threading.Timer(self.death["after"], os.kill, (os.getpid(), signal.SIGKILL))
            timer.daemon = True
            timer.start()


def wrap(fate: Fate) -> None:
    """Everything of ours that leaves a mark outside the process goes by `fate` from now on."""
    _wrap_units(fate)
    _wrap_requests(fate)
    _wrap_engine(fate)


def _wrap_units(fate: Fate) -> None:
    for name in ("write", "write_at_once"):
        setattr(Database, name, _watched_write(fate, getattr(Database, name)))


def _watched_write(fate: Fate, write: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    @functools.wraps(write)
    async def watched(self: Database, unit: Unit[Any]) -> Any:
        name, about = _named(unit), sorted(set(_about(unit)))

        def watched_unit(db: Any) -> Any:
            answer = unit(db)
            fate.passes(f"{name} / before the commit", about)
            return answer

        answer = await write(self, watched_unit)
        fate.passes(f"{name} / after the commit", about)
        return answer

    return watched


def _wrap_requests(fate: Fate) -> None:
    import aiohttp
    import httpx
    import httpx2  # the model's library has its own

    def watched(send: Callable[..., Awaitable[Any]], name: Callable[..., str]) -> Callable[..., Awaitable[Any]]:
        @functools.wraps(send)
        async def call(*args: Any, **more: Any) -> Any:
            boundary = name(*args, **more)
            fate.passes(f"{boundary} / before it is sent")
            answer = await send(*args, **more)
            fate.passes(f"{boundary} / after the answer")
            return answer

        return call

    session: Any = aiohttp.ClientSession
    session._request = watched(session._request, lambda _, method, str_or_url, **__: _request(method, str(str_or_url)))
    for library in (httpx, httpx2):
        library.AsyncClient.send = watched(
            library.AsyncClient.send, lambda _, request, **__: _request(request.method, str(request.url))
        )


def _wrap_engine(fate: Fate) -> None:
    from dbos._sys_db import SystemDatabase

    def watched(method: Callable[..., Any], name: Callable[..., str | None]) -> Callable[..., Any]:
        @functools.wraps(method)
        def call(*args: Any, **more: Any) -> Any:
            answer = method(*args, **more)
            if boundary := name(answer, *args, **more):
                fate.passes(boundary)
            return answer

        return call

    def recorded(_: Any, __: Any, result: Any, **___: Any) -> str:
        return f"engine / {result['function_name']} is recorded"

    def ended(_: Any, __: Any, workflow_id: str, *___: Any, **____: Any) -> str:
        return f"engine / {workflow_id.split(':')[-2]} has ended"

    def claimed(found: Any, *_: Any, **__: Any) -> str | None:
        return "engine / flows are claimed" if found else None

    for method, name in (
        ("record_operation_result", recorded),
        ("update_workflow_outcome", ended),
        ("start_queued_workflows", claimed),
    ):
        setattr(SystemDatabase, method, watched(getattr(SystemDatabase, method), name))


def _named(unit: Unit[Any]) -> str:
    """A unit by the function that it is; a lambda by where it stands and what it calls first."""
    while isinstance(unit, functools.partial):
        unit = unit.func
    where = f"{unit.__module__.rsplit('.', 1)[-1]}.{unit.__qualname__}".replace(".<locals>", "")
    calls = [name for name in unit.__code__.co_names if name not in ("s", "database")]
    return where.replace("<lambda>", ".".join(calls[:2] if calls[:1] != ["begin"] else calls[:1]) or "?")


def _about(unit: Unit[Any]) -> Iterator[str]:
    """The ids of tickets and runs that a unit holds."""
    held: list[Any] = []
    while isinstance(unit, functools.partial):
        held += [*unit.args, *unit.keywords.values()]
        unit = unit.func
    held += [cell.cell_contents for cell in unit.__closure__ or ()]
    for thing in held:
        for value in (thing, *(getattr(thing, name, None) for name in ("id", "key", "ticket_id", "ref", "alert"))):
            run_id = getattr(value, "run_id", None)
            yield from (text for text in (value, run_id) if isinstance(text, str))


def _request(method: str, url: str) -> str:
    parts = [part for part in url.split("?")[0].split("/")[3:] if part]
    name = parts[-1] if not AGAIN.match(parts[-1]) else f"{parts[-2]}/…"
    return f"{method.upper()} {name if len(parts) < 3 or not AGAIN.match(parts[-2]) else f'{parts[-3]}/…/{name}'}"


def _due() -> list[str]:
    """Keys of attempts, ids of tickets and runs to which something is owed at this moment: their row is due or leased,
    or a flow holds it. What is only told or watched is not among them."""
    import sqlalchemy as sa

    from pipemend.core.clock import WallClock
    from pipemend.settings import Settings
    from pipemend.store import schema
    from pipemend.store.alerts import OPEN_STATES
    from pipemend.store.attempts import WAITS_OR_LIVES
    from pipemend.store.database import reading_alone

    now = WallClock().now()

    def owed(table: sa.Table) -> sa.ColumnElement[bool]:
        return sa.or_(table.c.due_at <= now, table.c.owner.is_not(None))

    alerts, attempts, tickets = schema.alerts, schema.attempts, schema.tickets
    held = sa.and_(attempts.c.status.in_(WAITS_OR_LIVES), sa.or_(owed(attempts), attempts.c.due_at.is_(None)))
    wishes = (
        sa.select(alerts.c.run_id).where(alerts.c.state.in_(OPEN_STATES), owed(alerts)),
        sa.select(attempts.c.key).where(held),
        sa.select(tickets.c.id).where(owed(tickets)),
    )
    with reading_alone(Settings.load().database) as db:
        return [text for wish in wishes for text in db.scalars(wish)]


def _live(fate: Fate, words: list[str]) -> None:
    """One life, to its end."""
    from pipemend.cli import main

    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # the launcher's end is ours
    fate.journal.write(life=fate.life, due=_due())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    wrap(fate)
    fate.waits()
    sys.argv = ["pipemend", *words]
    main()


def _load_everything() -> None:
    """What a server imports sooner or later. No thread may begin before the fork."""
    from pipemend import bootstrap

    for name in (*bootstrap.PLATFORMS, *bootstrap.NOTIFIERS, bootstrap.RULES, bootstrap.MODEL, *LATE):
        import_module(name)
    assert threading.active_count() == 1


def run(plan: list[dict[str, Any]], journal: Journal, words: list[str]) -> int:
    """All lives, one after the other; the exit code of the last."""
    living = 0

    def leave(number: int, _: FrameType | None) -> None:
        plan.clear()
        if living:
            os.kill(living, number)

    signal.signal(signal.SIGTERM, leave)
    for life in range(len(plan) + 1):
        death = plan[life] if life < len(plan) else None
        journal.write(life=life, begins=True)
        living = os.fork()
        if not living:
            _live(Fate(journal, life, death), words)
            os._exit(0)
        _, status = os.waitpid(living, 0)
        journal.write(life=life, ended=os.waitstatus_to_exitcode(status))
        final = not plan or (death or {}).get("final")
        if os.waitstatus_to_exitcode(status) != -signal.SIGKILL or final:
            return os.waitstatus_to_exitcode(status)
    return 0


if __name__ == "__main__":
    _load_everything()
    sys.exit(run(json.loads(Path(sys.argv[1]).read_text()), Journal(Path(sys.argv[2])), sys.argv[3:]))
