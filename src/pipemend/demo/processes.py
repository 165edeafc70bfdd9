"""The demo's two processes, twin and server: each with an environment of its own, ended by its id."""

import contextlib
import ctypes
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from pipemend.core.errors import PipemendError
from pipemend.demo.scenarios import FACTORY, PLAYBOOKS, SCENARIOS

PR_SET_PDEATHSIG = 1  # of Linux' <sys/prctl.h>
PATIENCE = 30.0  # seconds for a process to listen


class DemoFailed(PipemendError):
    """The demo could not be set up; the text says what did not start."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Where everything is: the server with an admin's token, the twin, and the data folder."""

    server: str
    token: str
    twin: str
    data_dir: Path


@contextlib.contextmanager
def stage(data_dir: Path) -> Iterator[Stage]:
    """Twin and server, up and listening, until the block ends."""
    data_dir.mkdir(parents=True, exist_ok=True)
    playbooks = data_dir / "playbooks.toml"
    playbooks.write_text(PLAYBOOKS)
    port = _free_port()
    with contextlib.ExitStack() as stack:
        twin_port = _free_port()
        twin = f"http://127.0.0.1:{twin_port}"
        stack.enter_context(_process("twin", ["--port", str(twin_port)], _bare(), data_dir))
        _wait_for(f"{twin}/twin/", data_dir / "twin.log")
        _set_the_scene(twin)
        server = f"http://127.0.0.1:{port}"
        environment = settings(twin, server, data_dir, playbooks)
        token = _add_token(environment, data_dir)
        stack.enter_context(_process("serve", ["--port", str(port)], environment, data_dir))
        _wait_for(f"{server}/readyz", data_dir / "serve.log")
        _alerts_go_to(twin, server, environment["AZURE_MONITOR_SECRET"])
        yield Stage(server, token, twin, data_dir)


def settings(twin: str, server: str, data_dir: Path, playbooks: Path) -> dict[str, str]:
    """The whole environment of the server: nothing is inherited but where programs are."""
    return _bare() | {
        "AUTO_REMEDIATION_ENABLED": "true",
        "WATCH_INTERVAL_SECONDS": "0.5",
        "STARTS_PER_MINUTE": "100",
        "PLAYBOOKS_FILE": str(playbooks),
        "PIPEMEND_DATA_DIR": str(data_dir),
        "PUBLIC_URL": server,
        "ALLOWED_HOSTS": "127.0.0.1",
        "AZURE_MONITOR_SECRET": secrets.token_urlsafe(16),
        "JIRA_PROJECT_KEY": "OPS",
        "SLACK_ALERT_CHANNEL": "C0ALERTS01",
        **_twins_own(twin),
    }


def _twins_own(twin: str) -> dict[str, str]:
    """The addresses and keys with which the twin wants to be called."""
    answer = httpx.get(f"{twin}/twin/", timeout=10, trust_env=False).raise_for_status()
    own = {str(name): str(value) for name, value in answer.json()["settings"].items()}
    return own | {"AZURE_DATA_FACTORY_NAME": FACTORY}


def _bare() -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return kept | {"NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost", "PYTHONUNBUFFERED": "1"}


def _command(verb: str) -> list[str]:
    return [sys.executable, "-m", "pipemend", verb]


@contextlib.contextmanager
def _process(verb: str, arguments: list[str], environment: Mapping[str, str], data_dir: Path) -> Iterator[None]:
    with (data_dir / f"{verb}.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - our own program
            [*_command(verb), *arguments],
            env=dict(environment),
            cwd=data_dir,  # no .env of yours is read
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C is ours to hear
            preexec_fn=_ends_with_us if sys.platform == "linux" else None,
        )
    try:
        yield
    finally:
        _end(process)


def _ends_with_us() -> None:
    """In the child: whoever kills the demo for good ends its processes too."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _end(process: "subprocess.Popen[bytes]") -> None:
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=12)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(timeout=5)


def _add_token(environment: Mapping[str, str], data_dir: Path) -> str:
    done = subprocess.run(  # noqa: S603 - our own program
        [*_command("tokens"), "add", "demo", "--role", "admin"],
        env=dict(environment),
        cwd=data_dir,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if done.returncode:
        raise DemoFailed(f"no token could be made: {done.stderr.strip()[-300:]}")
    return done.stdout.strip().splitlines()[-1]


def _set_the_scene(twin: str) -> None:
    """The factory with its pipelines; none of them runs yet."""
    for scenario in SCENARIOS:
        for pipeline in (*scenario.children, scenario):
            url = f"{twin}/twin/pipelines/{FACTORY}/{pipeline.pipeline}"
            httpx.put(url, json=pipeline.plan(), timeout=10, trust_env=False).raise_for_status()


def _alerts_go_to(twin: str, server: str, secret: str) -> None:
    group = {"url": f"{server}/azure-monitor", "headers": {"X-Pipemend-Secret": secret}}
    httpx.put(f"{twin}/twin/action-group", json=group, timeout=10, trust_env=False).raise_for_status()


def _free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


def _wait_for(url: str, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(url, timeout=2, trust_env=False).is_success:
                return
        time.sleep(0.1)
    tail = log.read_text(errors="replace").strip()[-500:] if log.exists() else ""
    raise DemoFailed(f"nothing answers at {url}: {tail}")
