"""Ports of their own, for services that a vendor tells apart by host."""

import socket
from collections.abc import Callable


class Ports:
    """Opens ports beside the twin's own and keeps them, so that an address holds over a reset."""

    def __init__(self) -> None:
        self._open: dict[str, socket.socket] = {}
        self._host = "127.0.0.1"
        self.base_url = "http://127.0.0.1"
        self._serve: Callable[[socket.socket], None] | None = None

    def serve_with(self, host: str, base_url: str, serve: Callable[[socket.socket], None]) -> None:
        """The server tells where it listens and takes every port opened from now on."""
        self._host, self.base_url, self._serve = host, base_url, serve

    def port(self, name: str, wanted: int = 0) -> int | None:
        """The port of this name, opened if it is not yet; None when nobody serves. Raises OSError when it is taken."""
        if self._serve is None:
            return None
        if name not in self._open:
            family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
            opened = socket.create_server((self._host, wanted), family=family)
            self._open[name] = opened
            self._serve(opened)
        return int(self._open[name].getsockname()[1])

    def name(self, port: int | None) -> str | None:
        """Whose port this is; None for the twin's own."""
        return next((name for name, opened in self._open.items() if opened.getsockname()[1] == port), None)

    def address(self, base_url: str, name: str) -> str:
        """The base URL of this name on the host of another base URL; the same one when it has no port of its own."""
        if name not in self._open:
            return base_url
        return f"{base_url.rpartition(':')[0]}:{self.port(name)}"

    def close(self) -> None:
        for opened in self._open.values():
            opened.close()
        self._open.clear()
        self._serve = None
