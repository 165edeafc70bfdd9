"""A running twin, and the few things that tests do with it."""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

WIRE = Path(__file__).resolve().parents[3] / "shared" / "wire"
FACTORY, GROUP, SUBSCRIPTION = "adf-twin", "rg-twin", "00000000-0000-4000-8000-00000000adf0"
PLACE = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.DataFactory/factories/{FACTORY}"
ALWAYS = {"lastUpdatedAfter": "2000-01-01T00:00:00Z", "lastUpdatedBefore": "2100-01-01T00:00:00Z"}


def sample(name: str) -> Any:
    """A published payload; the test is skipped where the collection is not at hand."""
    if not WIRE.is_dir():
        pytest.skip("the collection of published payloads is not beside the repository")
    return json.loads((WIRE / name).read_text())


def keys(value: Any, at: str = "") -> set[str]:
    """Every path of keys in a payload; members of lists count as one."""
    if isinstance(value, list):
        return {path for item in value for path in keys(item, f"{at}[]")}
    if not isinstance(value, dict):
        return set()
    return {path for name, inner in value.items() for path in {f"{at}.{name}"} | keys(inner, f"{at}.{name}")}


@dataclass
class Stage:
    base_url: str
    http: httpx.AsyncClient

    async def get(self, path: str, **params: str) -> Any:
        return (await self.http.get(f"/twin/{path}", params=params)).raise_for_status().json()

    async def put(self, path: str, **body: Any) -> Any:
        return (await self.http.put(f"/twin/{path}", json=body)).raise_for_status().json()

    async def post(self, path: str, **body: Any) -> Any:
        return (await self.http.post(f"/twin/{path}", json=body)).raise_for_status().json()

    async def pipeline(self, name: str, *outcomes: Any, **plan: Any) -> None:
        await self.put(f"pipelines/{FACTORY}/{name}", outcomes=list(outcomes), **{"duration": 0.02, **plan})

    async def trigger(self, name: str, **body: Any) -> str:
        return str((await self.post(f"pipelines/{FACTORY}/{name}/trigger", **body))["runId"])

    async def fault(self, service: str, operation: str | None, kind: str, **more: Any) -> str:
        match = {"service": service, "operation": operation, "text": more.pop("text", None)}
        return str((await self.post("faults", match=match, kind=kind, **more))["id"])

    async def run(self, run_id: str) -> dict[str, Any]:
        return {run["runId"]: dict(run) for run in (await self.get("runs"))["runs"]}[run_id]

    async def ended(self, run_id: str) -> dict[str, Any]:
        return dict(await self.until(lambda run: run["runEnd"], lambda: self.run(run_id)))

    async def until(self, holds: Callable[[Any], Any], read: Callable[[], Any], seconds: float = 5) -> Any:
        """Reads again and again until what is read is right."""
        deadline = time.monotonic() + seconds
        while True:
            found = await read()
            if holds(found):
                return found
            assert time.monotonic() < deadline, found
            await asyncio.sleep(0.01)

    async def requests(self, service: str, operation: str | None = None) -> list[dict[str, Any]]:
        params = {"service": service} | ({"operation": operation} if operation else {})
        return list((await self.get("requests", **params))["requests"])

    async def token(self, resource: str = "https://management.azure.com") -> dict[str, str]:
        params = {"api-version": "2019-08-01", "resource": resource}
        got = await self.http.get("/identity/token", params=params, headers={"X-IDENTITY-HEADER": "twin-identity"})
        return {"Authorization": f"Bearer {got.json()['access_token']}"}

    async def arm(self, method: str, path: str, body: Any = None, **query: str) -> httpx.Response:
        params = {"api-version": "2018-06-01", **query}
        return await self.http.request(method, PLACE + path, params=params, json=body, headers=await self.token())

    async def workflow(self, name: str = "retry-pipeline", **settings: Any) -> str:
        return str((await self.put(f"workflows/{name}", **settings))["url"])
