"""Our database is away: by a road to PostgreSQL that can be closed, by a lock on the file, by a disk that is full."""

import contextlib
import itertools
import resource
import select
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx

from tests.scenarios.installation import Installation

REPEATS = (0, 5, 25, 30, 70, 75)  # when Azure Monitor tries again, in seconds


class Road:
    """The way to PostgreSQL: it can be closed (nobody answers there) or stuck (nothing arrives any more)."""

    def __init__(self, to: tuple[str, int]) -> None:
        self.to, self.state = to, "open"
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.pairs: list[tuple[socket.socket, socket.socket]] = []
        self.over = False
        self.thread = threading.Thread(target=self._carry)
        self.thread.start()

    @property
    def port(self) -> int:
        return int(self.listener.getsockname()[1])

    def becomes(self, state: str) -> None:
        self.state = state

    def _carry(self) -> None:
        while not self.over:
            ends = {end: pair for pair in self.pairs for end in pair}
            if self.state == "stuck":
                time.sleep(0.02)
                continue
            for end in select.select([self.listener, *ends], [], [], 0.02)[0]:
                if end is self.listener:
                    self._accept()
                elif ends[end] in self.pairs:
                    self._pass_on(end, ends[end])
            if self.state == "closed":
                for pair in list(self.pairs):
                    self._cut(pair)
        for pair in list(self.pairs):
            self._cut(pair)
        self.listener.close()

    def _accept(self) -> None:
        one, _ = self.listener.accept()
        if self.state == "closed":
            one.close()
        else:
            self.pairs.append((one, socket.create_connection(self.to)))

    def _pass_on(self, end: socket.socket, pair: tuple[socket.socket, socket.socket]) -> None:
        with contextlib.suppress(OSError):
            if piece := end.recv(65536):
                pair[1 - pair.index(end)].sendall(piece)
                return
        self._cut(pair)

    def _cut(self, pair: tuple[socket.socket, socket.socket]) -> None:
        self.pairs.remove(pair)
        for end in pair:
            end.close()

    def ends(self) -> None:
        self.over = True
        self.thread.join()


@contextlib.contextmanager
def away(installed: Installation, how: str, road: Road | None) -> Iterator[None]:
    """While the block runs our database is of no use."""
    if road is not None:
        road.becomes(how)
        try:
            yield
        finally:
            road.becomes("open")
    elif how == "locked":
        with contextlib.closing(sqlite3.connect(installed.folder / "pipemend.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield
    else:
        pid = installed.main.process.pid
        before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, before[1]))  # no file may grow any more
        try:
            yield
        finally:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


@contextlib.contextmanager
def by_road(installed: Installation) -> Iterator[Road | None]:
    """While the block runs the way to PostgreSQL goes by a road of ours; a file needs none."""
    direct = installed.environment.get("DATABASE_URL")
    if direct is None:
        yield None
        return
    url = urlsplit(direct)
    road = Road((str(url.hostname), int(url.port or 5432)))
    installed.environment["DATABASE_URL"] = url._replace(netloc=f"postgres@127.0.0.1:{road.port}").geturl()
    try:
        yield road
    finally:
        installed.environment["DATABASE_URL"] = direct
        installed.all_die()
        road.ends()


def doors_say_503_and_what_comes_again_is_kept(installed: Installation, how: str, scale: float = 1.0) -> None:
    """One failure in an outage of a minute, `scale` times as fast: Azure Monitor's repeats bring its ticket."""
    installed.alerts_come(retry_seconds=[(b - a) / scale for a, b in itertools.pairwise(REPEATS)])
    installed.environment["WATCH_INTERVAL_SECONDS"] = "600"  # the alert alone brings it
    with by_road(installed) as road:
        installed.starts()
        with away(installed, how, road):
            begun = time.monotonic()
            installed.breaks("nightly-load", outcomes=["GatewayTimeout", "Succeeded"], alert="log_v2", duration=0.05)
            installed.until(lambda: not installed.ready(), "it says that it is not ready", 10)
            answer, took = post(installed)
            assert answer.status_code == 503, answer.text
            assert answer.headers["retry-after"]
            assert took < 2.0 + 4.0  # two seconds of patience, and a busy machine
            if how == "closed":
                for path in ("/api/tickets", "/dashboard", "/metrics"):
                    assert installed.server.get(path, timeout=15).status_code == 503, path
            time.sleep(max(0, 60 / scale - (time.monotonic() - begun)))

        installed.until(installed.ready, "it is ready again, without a restart", 25)
        assert installed.main.process.poll() is None
        installed.until_ticket("nightly-load", "it has its ticket")
        alert = installed.until(lambda: _delivered(installed), "Azure Monitor is done")
        assert alert is not None
        statuses = [one["status"] for one in alert["tries"]]
        assert statuses[-1] == 202, statuses
        assert set(statuses[:-1]) <= {503}, statuses


def _delivered(installed: Installation) -> Mapping[str, Any] | None:
    alerts: list[Mapping[str, Any]] = installed.twin.get("/twin/alerts").json()["alerts"]
    return alerts[0] if alerts and alerts[0]["done"] else None


def post(installed: Installation) -> tuple[httpx.Response, float]:
    """Posts an alert of nothing; the answer, and the seconds that it took."""
    secret = {"X-Pipemend-Secret": installed.environment["AZURE_MONITOR_SECRET"]}
    body = {"schemaId": "azureMonitorCommonAlertSchema", "data": {}}
    begun = time.monotonic()
    answer = installed.server.post("/azure-monitor", json=body, headers=secret, timeout=15)
    return answer, time.monotonic() - begun
