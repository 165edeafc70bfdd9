"""A vendor that answers with the bytes it is told to, over a real socket."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

SLOWLY = b""


@dataclass
class Vendor:
    """Gives its answers in order, the last one again and again. None drops the connection, SLOWLY never answers."""

    url: str
    answers: list[bytes | None]
    requests: list[bytes] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
        )
        self.requests.append(head + await reader.readexactly(length))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer == SLOWLY and answer is not None:
            await reader.read()
        elif answer:
            writer.write(answer)
        writer.close()


def http(status: int, body: bytes | str = b"", **headers: str) -> bytes:
    raw = body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status} So", "Connection: close", f"Content-Length: {len(raw)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + raw


@asynccontextmanager
async def vendor(*answers: bytes | None) -> AsyncIterator[Vendor]:
    made = Vendor("", list(answers))
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield made
    finally:
        server.close()


def nobody() -> str:
    """An address at which nobody listens."""
    return "http://127.0.0.1:9"
