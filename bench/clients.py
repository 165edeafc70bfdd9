"""Clients as thin as they can be, and the process of the server that they call."""

import asyncio
import contextlib
import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Tally:
    """What the clients saw."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    refused: int = 0

    @property
    def rate(self) -> float:
        return len(self.latencies) / self.seconds if self.seconds else 0.0


class Running:
    """The measured server, until it is ended."""

    def __init__(self, url: str, enabled: bool = False) -> None:
        self.url, self.enabled, self.port = url, enabled, free_port()
        self.begins()

    def begins(self) -> None:
        words = [sys.executable, "-m", "bench.server", self.url, str(self.port), "enabled" if self.enabled else "off"]
        self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        until(lambda: self.state() is not None, 30)

    def state(self, *, keep: bool = False) -> dict[str, Any] | None:
        """How it stands; with `keep` the lags stay to be told again. None when nobody answers."""
        with contextlib.suppress(OSError):
            return dict(json.loads(asyncio.run(ask(self.port, request("GET", f"/state?{int(keep)}"), 20))[1]))
        return None

    def dies(self) -> None:
        self.process.kill()
        self.process.wait()

    def ends(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.dies()


@contextlib.contextmanager
def running(url: str, *, enabled: bool = False) -> Iterator[Running]:
    server = Running(url, enabled)
    try:
        yield server
    finally:
        server.ends()


def until(holds: Callable[[], object], seconds: float) -> float:
    """Waits until it holds; the seconds that took. Raises TimeoutError."""
    begun = time.monotonic()
    while not holds():
        if time.monotonic() - begun > seconds:
            raise TimeoutError(f"not within {seconds} s")
        time.sleep(0.05)
    return time.monotonic() - begun


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


def request(method: str, path: str, body: bytes = b"") -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def ask(port: int, whole: bytes, seconds: float = 10) -> tuple[int, bytes]:
    async with asyncio.timeout(seconds):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            return await send(reader, writer, whole)
        finally:
            writer.close()


async def send(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, whole: bytes) -> tuple[int, bytes]:
    writer.write(whole)
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    return int(head[9:12]), await reader.readexactly(length)


async def drive(
    port: int, requests: Iterator[bytes], connections: int, seconds: float | None = None, again: bool = False
) -> Tally:
    """Sends requests over so many connections, for some seconds or to the end. `again`: what is refused is repeated."""
    tally, begun = Tally(), time.perf_counter()
    work = (_one(port, requests, tally, begun + seconds if seconds else None, again) for _ in range(connections))
    await asyncio.gather(*work)
    tally.seconds = time.perf_counter() - begun
    return tally


async def _one(port: int, requests: Iterator[bytes], tally: Tally, end: float | None, again: bool) -> None:
    reader = writer = None
    for whole in requests:
        while True:
            begun = time.perf_counter()
            if end is not None and begun > end:
                return
            try:
                if reader is None or writer is None:
                    reader, writer = await asyncio.open_connection("127.0.0.1", port)
                status, _ = await send(reader, writer, whole)
            except (OSError, asyncio.IncompleteReadError):
                reader = writer = None
                status = 0
            if status == 202:
                tally.latencies.append(time.perf_counter() - begun)
                break
            tally.refused += 1
            if not again:
                break
            await asyncio.sleep(0.2)
