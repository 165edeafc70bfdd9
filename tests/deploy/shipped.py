"""The playbooks as we ship them, carried out by the twin and asked by the product's own remedy."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from pipemend.clients.http import Http
from pipemend.clients.logic_app import LogicApp
from pipemend.core.attempt import Attempt, Progress, Stage, Unknown
from pipemend.core.clock import WallClock
from pipemend.core.ports import Platform, Remedy, TellsPlaybooks
from tests.clients.attempts import attempt
from tests.platforms.adf import RESOURCE, now
from tests.twin.stage import Stage as Twin

FOLDER = Path(__file__).parents[2] / "deploy" / "logic_apps"
PLAYBOOKS = sorted(path.stem for path in FOLDER.glob("*.json"))
PACE = 0.0005  # a minute lasts 30 ms
PATIENCE = 10.0


def template(name: str) -> dict[str, Any]:
    return dict(json.loads((FOLDER / f"{name}.json").read_text()))


def definition(name: str) -> dict[str, Any]:
    return dict(template(name)["resources"][0]["properties"]["definition"])


@dataclass
class Shipped:
    """One playbook at the twin. `ask` is one call of an attempt, with the answer that comes later."""

    twin: Twin
    name: str
    url: str
    direct: Remedy
    platform: Platform
    http: Http = field(default_factory=Http)
    callback: str | None = None

    def remedy(self) -> LogicApp:
        tell = [one.details for one in (self.platform, self.direct) if isinstance(one, TellsPlaybooks)]

        async def more(asked: Attempt) -> Mapping[str, object]:
            return {name: value for details in tell for name, value in (await details(asked)).items()}

        def callback_url(asked: Attempt) -> str | None:
            return self.callback and f"{self.callback}/api/remediation-callback?attempt={asked.key}&token=t"

        return LogicApp(
            SecretStr(self.url), self.direct, self.http, WallClock(), callback_url=callback_url, extra=more, sleep=_nap
        )

    async def ask(self, asked: Attempt) -> Progress:
        """Calls the playbook and waits for its answer, as the product does with the address that it is given."""
        remedy = self.remedy()
        said = await remedy.advance(asked, Stage())
        if isinstance(said, Unknown) and said.later_url:
            waits = Attempt(**{**_fields(asked), "later_url": said.later_url})
            said = await remedy.answer(waits)
            while isinstance(said, Unknown) and said.reason.endswith("answered 202"):
                await asyncio.sleep(0.01)
                said = await remedy.answer(waits)
        return said

    async def history(self) -> list[dict[str, Any]]:
        return list((await self.twin.get(f"workflows/{self.name}/runs"))["runs"])

    async def ended(self) -> dict[str, Any]:
        """The last run of the Logic App, at its end."""

        async def read() -> dict[str, Any]:
            return (await self.history())[-1]

        return dict(await self.twin.until(lambda run: run["state"] not in ("Waiting", "Running"), read, PATIENCE))


async def _nap(_: float) -> None:
    return None


def _fields(asked: Attempt) -> dict[str, Any]:
    return {name: getattr(asked, name) for name in Attempt.__slots__}


async def put(stage: Twin, name: str, pace: float = PACE, **parameters: Any) -> str:
    """Loads a playbook into the twin; its address."""
    body = {"definition": template(name), "parameters": parameters, "pace": pace}
    return str((await stage.put(f"workflows/{name}", **body))["url"])


def of_pipeline(run_id: str, number: int = 1, **more: Any) -> Attempt:
    """An attempt for a pipeline whose run has failed."""
    told = {
        "key": f"ADF-20261124T101500-1f496d07ab-{number}",
        "resource": RESOURCE,
        "resource_name": "adf-twin",
        "original_run_id": run_id,
        "reference_run_id": run_id,
        "run_group_id": run_id,
        "attempt_number": number,
        "created_at": now(),
        "started_at": now(),
        "via": "playbook",
    }
    return attempt(**{**told, **more})


def of_job(run_id: int, host: str, number: int = 1, **more: Any) -> Attempt:
    """An attempt for a job whose run has failed."""
    told = {
        "ticket_id": "DBX-20261124T101500-1f496d07ab",
        "key": f"DBX-20261124T101500-1f496d07ab-{number}",
        "platform": "databricks",
        "resource": host,
        "resource_name": host,
        "pipeline": "orders",
        "original_run_id": str(run_id),
        "reference_run_id": str(run_id),
        "run_group_id": str(run_id),
        "attempt_number": number,
        "created_at": now(),
        "started_at": now(),
        "via": "playbook",
    }
    return attempt(**{**told, **more})
