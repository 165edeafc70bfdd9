"""Every address and the least role that opens it. What is served and does not stand here fails the test."""

import re
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from tests.web.world import BASE, World

OPEN, VIEWER, OPERATOR, ADMIN = None, "viewer", "operator", "admin"
ROLES = (None, "viewer", "operator", "admin")
TABLE: dict[str | None, str] = {
    OPEN: """
        GET /
        GET /healthz
        GET /readyz
        GET /static/{name}
        GET /login
        GET /login/oidc
        POST /logout
    """,
    VIEWER: """
        GET /api/audit-trail
        GET /api/audit-trail.csv
        GET /api/automation
        GET /api/corrections
        GET /api/masked-failures
        GET /api/metrics
        GET /api/metrics.csv
        GET /api/metrics/auto-remediation
        POST /api/sign-in-links
        GET /api/system
        GET /api/tickets
        GET /api/tickets/{ticket_id}
        GET /api/tickets/{ticket_id}/questions
        GET /api/tickets/{ticket_id}/remediation-history
        GET /dashboard
        GET /dashboard/audit
        GET /dashboard/pipelines
        GET /dashboard/playbooks
        GET /dashboard/account
        POST /dashboard/account/password
        POST /dashboard/account/sign-out-everywhere
        GET /dashboard/metrics
        GET /dashboard/system
        GET /metrics
        GET /openapi.json
        SOCKET /dashboard/live
        SOCKET /ws
    """,
    OPERATOR: """
        POST /api/automation
        POST /api/tickets/{ticket_id}/acknowledge
        POST /api/tickets/{ticket_id}/approve
        POST /api/tickets/{ticket_id}/correct
        POST /api/tickets/{ticket_id}/escalate
        POST /api/tickets/{ticket_id}/reject
        POST /api/tickets/{ticket_id}/reopen
        POST /api/tickets/{ticket_id}/retry
        POST /api/tickets/{ticket_id}/stop
        POST /dashboard/system/automation
        POST /dashboard/system/pauses
        POST /dashboard/system/pauses/end
        POST /dashboard/tickets/{ticket_id}/approve
        POST /dashboard/tickets/{ticket_id}/correct
        POST /dashboard/tickets/{ticket_id}/escalate
        POST /dashboard/tickets/{ticket_id}/reject
        POST /dashboard/tickets/{ticket_id}/reopen
        POST /dashboard/tickets/{ticket_id}/{word}
    """,
    ADMIN: """
        GET /api/deliveries
        GET /api/deliveries/{delivery_id}
        POST /api/deliveries/{delivery_id}/replay
        GET /api/tokens
        POST /api/tokens
        DELETE /api/tokens/{name}
        GET /dashboard/people
        POST /dashboard/people/tokens
        POST /dashboard/people/tokens/{name}/revoke
        POST /dashboard/people/users
        POST /dashboard/people/users/{name}/disable
        POST /dashboard/people/users/{name}/enable
        POST /dashboard/people/users/{name}/reset
        POST /dashboard/people/users/{name}/role
        POST /dashboard/system/deliveries/{delivery_id}/replay
    """,
}
LEAST = {line.strip(): role for role, lines in TABLE.items() for line in lines.strip().splitlines()}
OWN_SECRETS = {  # these ask for a secret of their own
    "POST /api/remediation-callback",
    "GET /login/oidc/done",
    "POST /login",
    "GET /welcome",
    "POST /welcome",
}
SAMPLES = {"delivery_id": "7", "word": "stop"}


def served(app: FastAPI) -> set[str]:
    """Every address, as the table writes them."""
    return {
        f"{method} {route.path}"
        for route in iter_route_contexts(app.routes)
        for method in (route.methods or {"SOCKET"}) - {"HEAD"}
    }


def address(line: str) -> tuple[str, str]:
    method, path = line.split(" ")
    return method, re.sub(r"\{(\w+)\}", lambda found: SAMPLES.get(found[1], "nothing"), path)


async def knock(app: FastAPI, path: str, headers: dict[str, str]) -> int:
    """Opens a socket as a server would; the status of the refusal, or 101."""
    told: list[dict[str, Any]] = [{"type": "websocket.connect"}, {"type": "websocket.disconnect", "code": 1000}]
    answers: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return told.pop(0)

    async def send(message: Any) -> None:
        answers.append(message)

    scope = {
        "type": "websocket",
        "scheme": "ws",
        "path": path,
        "query_string": b"",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        "subprotocols": [],
        "extensions": {"websocket.http.response": {}},
    }
    await app(scope, receive, send)
    return int(answers[0].get("status", 101))


async def test_every_address_stands_in_the_table(small_world: World):
    assert served(small_world.app) == {*LEAST, *OWN_SECRETS}


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("way", ["token", "session", "user"])
async def test_each_address_opens_for_its_role_and_for_no_lower_one(small_world: World, role: str | None, way: str):
    token = await small_world.token(role) if role and way != "user" else None
    wrong = []
    async with small_world.client() as client:
        for line, least in LEAST.items():
            method, path = address(line)
            headers = await credentials(small_world, role, way, token)
            if method == "SOCKET":
                status = await knock(small_world.app, path, {"Host": "pipemend.test", "Origin": BASE, **headers})
            else:
                status = status_of(await client.request(method, path, headers=headers))
            if not fits(status, role, least):
                wrong.append(f"{line} for {role}: {status}")
            client.cookies.clear()

    assert wrong == []


async def credentials(world: World, role: str | None, way: str, token: str | None) -> dict[str, str]:
    """The token, else a session of its own for each address: some of them end it."""
    if role is None:
        return {}
    if way == "token":
        return {"Authorization": f"Bearer {token}"}
    return {"Cookie": f"pipemend={await world.session(role) if way == 'user' else await world.token_session(role)}"}


def status_of(answer: httpx.Response) -> int:
    """Being sent to the form is a 401 for people."""
    return 401 if answer.headers.get("location", "").startswith("/login?next=") else answer.status_code


def fits(status: int, role: str | None, least: str | None) -> bool:
    if ROLES.index(role) >= ROLES.index(least):
        return status not in (401, 403)
    return status == (401 if role is None else 403)
