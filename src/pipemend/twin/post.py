"""Posting to a webhook, as Azure Monitor and playbooks do: patient, and repeated when that can help."""

import asyncio
import json
from collections.abc import Coroutine
from dataclasses import asdict, dataclass, field
from typing import Any

import httpx

from .clock import now, stamp

REPEATED = (408, 429, 503, 504)
PATIENCE_SECONDS = 10.0


@dataclass
class Try:
    """One post: the status that came back, or what kept it from coming."""

    at: str
    status: int | None = None
    error: str | None = None


@dataclass
class Delivery:
    """One body for one address, with every try."""

    n: int
    url: str
    headers: dict[str, str]
    body: dict[str, Any]
    about: dict[str, Any]
    tries: list[Try] = field(default_factory=list)
    done: bool = False

    def as_dict(self) -> dict[str, Any]:
        last = self.tries[-1].status if self.tries else None
        tries = [asdict(one) for one in self.tries]
        return {"n": self.n, **self.about, "status": last, "done": self.done, "tries": tries, "body": self.body}


def encoded(body: dict[str, Any]) -> bytes:
    """The bytes that go out."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


class Postman:
    """Delivers in the background; `deliveries` remembers all of it."""

    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._client: httpx.AsyncClient | None = None

    def send(
        self, url: str, headers: dict[str, str], body: dict[str, Any], about: dict[str, Any], pauses: tuple[float, ...]
    ) -> Delivery:
        delivery = self.put(url, headers, body, about)
        self.go([delivery], pauses)
        return delivery

    def put(self, url: str, headers: dict[str, str], body: dict[str, Any], about: dict[str, Any]) -> Delivery:
        """Keeps it until it is told to `go`."""
        delivery = Delivery(len(self.deliveries) + 1, url, headers, body, about)
        self.deliveries.append(delivery)
        return delivery

    def go(self, deliveries: list[Delivery], pauses: tuple[float, ...]) -> None:
        """Delivers them, one after the other."""
        self._start(self._deliver_all(deliveries, pauses))

    async def _deliver_all(self, deliveries: list[Delivery], pauses: tuple[float, ...]) -> None:
        for delivery in deliveries:
            await self._deliver(delivery, pauses)

    async def _deliver(self, delivery: Delivery, pauses: tuple[float, ...]) -> None:
        for pause in (*pauses, None):
            one = await self._try(delivery)
            delivery.tries.append(one)
            if pause is None or not (one.status is None or one.status in REPEATED):
                break
            await asyncio.sleep(pause)
        delivery.done = True

    async def _try(self, delivery: Delivery) -> Try:
        one = Try(at=stamp(now()))
        try:
            headers = {"Content-Type": "application/json", **delivery.headers}
            answer = await self._http().post(delivery.url, content=encoded(delivery.body), headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL, TypeError, ValueError) as broken:  # also what cannot be a header
            one.error = f"{type(broken).__name__}: {broken}"
        else:
            one.status = answer.status_code
        return one

    def _http(self) -> httpx.AsyncClient:
        if self._client is None:
            limits = httpx.Limits(max_connections=50)
            self._client = httpx.AsyncClient(timeout=PATIENCE_SECONDS, limits=limits, trust_env=False)
        return self._client

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def forget(self) -> None:
        """Stops what is under way and forgets what was delivered."""
        for task in self._tasks:
            task.cancel()
        self.deliveries.clear()

    async def close(self) -> None:
        self.forget()
        if self._client is not None:
            await self._client.aclose()
            self._client = None
