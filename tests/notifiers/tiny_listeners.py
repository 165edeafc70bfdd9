"""Teams, PagerDuty and a webhook of a few lines each, that keep what they are told."""

from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pipemend.clients.http import Http
from tests.notifiers.serving import Vendor

HOST = "https://listener.example"
KEY, SECRET = "K" * 32, "whsec_dHdpbi13ZWJob29rLXNlY3JldC1vZi0zMi1ieXRlcyE="


class Tiny(Vendor):
    """`kept`: what was told, by what makes two tellings one."""

    def __init__(self) -> None:
        super().__init__()
        self.bodies: list[dict[str, Any]] = []
        self.kept: dict[str, Any] = {}
        self.app = Starlette(routes=[Route("/{path:path}", self.handle, methods=["POST"])])

    async def work(self, request: Request) -> Response:
        body = await request.json()
        self.bodies.append(body)
        self.keep(request, body)
        return self.answer(body)

    def keep(self, request: Request, body: dict[str, Any]) -> None:
        self.kept[str(len(self.bodies))] = body

    def answer(self, body: dict[str, Any]) -> Response:
        return Response(status_code=202)


class TinyPagerDuty(Tiny):
    def keep(self, request: Request, body: dict[str, Any]) -> None:
        self.kept[body["dedup_key"]] = body

    def answer(self, body: dict[str, Any]) -> Response:
        return JSONResponse({"status": "success", "message": "Event processed", "dedup_key": body["dedup_key"]}, 202)


class TinyWebhook(Tiny):
    def keep(self, request: Request, body: dict[str, Any]) -> None:
        self.kept[request.headers["webhook-id"]] = body


def calling(vendor: Tiny) -> Http:
    """Calls the vendor without a line between."""
    return Http(client=httpx.AsyncClient(transport=httpx.ASGITransport(app=vendor.app)))
