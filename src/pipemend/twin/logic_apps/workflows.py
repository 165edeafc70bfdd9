"""Workflows: what each is told to do, and the history of what it was asked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from ..wire import Headers
from .loaded import App

SIGNATURE = "twin-sig"
DEFAULT = "retry-pipeline"
PLAIN = (
    "sync",
    "sync_text",
    "accepted",
    "202_with_run_id",
    "202_empty",
    "failed",
    "500_failed",
    "no_response_502",
    "gateway_504",
    "disabled",
    "not_found",
    "html",
    "schema_mismatch",
)
WITH_NUMBER = ("slow", "throttled", "location")
ACTIONS = ("retry_job", "restart_cluster", "scale_up_cluster", "reinstall_libraries", "check_upstream")
RERUNS = ("run_now", "repair")


class BadWorkflow(ValueError):
    """The settings of a workflow cannot be read; the message says why."""


@dataclass(frozen=True)
class Behaviour:
    """How a workflow works and answers.

    `starts` overrules whether the rerun is started, `start_after` waits with it, `deduplicates` makes the workflow
    answer a known `idempotency_key` with the run it started before, `callbacks` is how often it posts the end of the
    rerun to the request's `callback_url`. For Databricks `supports` are the actions it knows, and `rerun` says whether
    it runs the job anew or repairs the failed run.
    """

    kind: str = "sync"
    number: float = 0.0
    sig: str = SIGNATURE
    starts: bool | None = None
    start_after: float = 0.0
    deduplicates: bool = False
    callbacks: int = 0
    supports: tuple[str, ...] = ACTIONS
    rerun: str = "run_now"


@dataclass
class Invocation:
    """One request to a workflow and what came of it; of one with a definition also its state and its actions."""

    at: str
    headers: dict[str, str]
    body: Any
    workflow_run_id: str | None = None
    run_id: str | None = None
    status: int | None = None
    base_url: str = ""
    state: str | None = None
    actions: dict[str, Any] = field(default_factory=dict)

    @property
    def tracking_id(self) -> str:
        """What the caller calls the run, else the run's own id."""
        return self.headers.get("x-ms-client-tracking-id") or str(self.workflow_run_id)


@dataclass
class Workflow:
    """A Logic App: one that behaves as it is told, or one with a definition, which is carried out."""

    name: str
    behaviour: Behaviour = Behaviour()
    history: list[Invocation] = field(default_factory=list)
    app: App | None = None

    def started_before(self, request: Invocation) -> str | None:
        """The run that an earlier request with the same key started, if the workflow cares."""
        key = request.body.get("idempotency_key")
        if not (key and self.behaviour.deduplicates):
            return None
        same = (past for past in self.history if past.run_id and past.body.get("idempotency_key") == key)
        return next((past.run_id for past in same), None)

    def url(self, base_url: str) -> str:
        query = {
            "api-version": "2016-10-01",
            "sp": "/triggers/manual/run",
            "sv": "1.0",
            "sig": self.behaviour.sig,
        }
        return f"{base_url}/workflows/{self.name}/triggers/manual/paths/invoke?{urlencode(query)}"


def read_behaviour(body: Mapping[str, Any], base: Behaviour) -> Behaviour:
    """The base with what the body names changed. Raises BadWorkflow."""
    known = {"behaviour", "sig", "starts", "start_after", "deduplicates", "callbacks", "supports", "rerun"}
    unknown = set(body) - known
    if unknown:
        raise BadWorkflow(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(sorted(known))}")
    values = {name: getattr(base, name) for name in Behaviour.__dataclass_fields__}
    if "behaviour" in body:
        values["kind"], values["number"] = _kind(str(body["behaviour"]))
    values |= {name: value for name, value in body.items() if name != "behaviour"}
    if not isinstance(values["start_after"], int | float) or not isinstance(values["callbacks"], int):
        raise BadWorkflow("start_after and callbacks are numbers")
    if not isinstance(values["supports"], list | tuple) or set(values["supports"]) - set(ACTIONS):
        raise BadWorkflow(f"supports: any of {', '.join(ACTIONS)}")
    if values["rerun"] not in RERUNS:
        raise BadWorkflow(f"rerun: one of {', '.join(RERUNS)}")
    values["supports"] = tuple(values["supports"])
    return Behaviour(**values)


def _kind(text: str) -> tuple[str, float]:
    kind, _, number = text.partition(":")
    if kind in PLAIN and not number:
        return kind, 0.0
    if kind in WITH_NUMBER:
        try:
            return kind, float(number)
        except ValueError:
            pass
    raise BadWorkflow(f"behaviour: one of {', '.join(PLAIN)}, slow:N, throttled:N, location:N")


def platform_headers(call_id: str, workflow: str, tracking_id: str | None, run_id: str | None) -> Headers:
    """The headers of the service; those that name a workflow run are there only when one exists."""
    region, workflow_id = "northcentralus", "0000000000000000000000000000aaaa"
    headers = [
        ("x-ms-correlation-id", call_id),
        ("x-ms-execution-location", region),
        ("x-ms-workflow-id", workflow_id),
        ("x-ms-workflow-version", "08585129706921748293"),
        ("x-ms-workflow-name", workflow),
        ("x-ms-workflow-system-id", f"/locations/{region}/scaleunits/prod-12/workflows/{workflow_id}"),
        ("x-ms-tracking-id", call_id),
        ("x-ms-ratelimit-burst-remaining-workflow-writes", "2999"),
        ("x-ms-ratelimit-remaining-workflow-download-contentsize", "214748138"),
        ("x-ms-ratelimit-remaining-workflow-upload-contentsize", "214748046"),
        ("x-ms-ratelimit-time-remaining-directapirequests", "19999586"),
        ("x-ms-request-id", f"{region}:{call_id}"),
        ("Strict-Transport-Security", "max-age=31536000; includeSubDomains"),
        ("Cache-Control", "no-cache"),
        ("Pragma", "no-cache"),
        ("Expires", "-1"),
    ]
    if run_id:
        headers += [
            ("x-ms-workflow-run-id", run_id),
            ("x-ms-client-tracking-id", tracking_id or run_id),
            ("x-ms-trigger-history-name", run_id),
        ]
    return tuple(headers)
