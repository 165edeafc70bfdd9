"""A playbook that is a Logic App: asks it to act, and reads its many ways of answering.

Its address is a secret. What its trigger answers: https://learn.microsoft.com/azure/logic-apps/logic-apps-http-endpoint
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urljoin, urlsplit

from pydantic import SecretStr

from pipemend import meters
from pipemend.clients.answers import Sleep, readable, refusal, retry_after, start_once
from pipemend.clients.bodies import read_json
from pipemend.clients.http import Answer, Http
from pipemend.core.attempt import Attempt, Declined, Lease, Progress, Running, Stage, Unknown
from pipemend.core.clock import Clock, stamp
from pipemend.core.errors import BadDelivery, OutsideError, Throttled, Unreachable
from pipemend.core.ports import Borrower, Remedy
from pipemend.core.run import Rerun
from pipemend.core.scrub import cut, scrub

WHAT = "the playbook"
SECONDS, LATER_SECONDS = 30.0, 10.0
KEPT = 4096
LONGEST_ID = 200  # what is longer names no run
RUN_HEADER = "x-ms-workflow-run-id"
YES = ("success", "succeeded", "accepted", "started", "queued", "running", "inprogress", "in_progress")
NO = ("failed", "failure", "error", "rejected", "declined")
PLAIN_WORDS = {
    "WorkflowTriggerIsNotEnabled": "its Logic App is disabled",
    "WorkflowNotFound": "its Logic App does not exist any more",
    "TriggerInputSchemaMismatch": "its trigger asks for other fields than we send",
    "DirectApiAuthorizationRequired": "the signature in its address is missing or wrong",
    "DirectApiAuthorizationInvalidSignature": "the signature in its address is wrong",
    "DirectApiRequestHasInvalidSignature": "the signature in its address is wrong",
    "WorkflowTriggerNotFound": "its Logic App has no such trigger",
}
BY_STATUS = {
    400: "it did not understand the request",
    401: "it does not accept our signature",
    403: "we may not call it",
    404: "it is not there",
}

CallbackUrl = Callable[[Attempt], str | None]
Extra = Callable[[Attempt], Awaitable[Mapping[str, object]]]


class LogicApp:
    """The remedy of an action whose playbook has an address. It looks for reruns with the direct remedy."""

    via = "playbook"
    first = Stage()

    def __init__(
        self,
        url: SecretStr,
        direct: Remedy,
        http: Http,
        clock: Clock,
        *,
        callback_url: CallbackUrl | None = None,
        extra: Extra | None = None,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._url = url
        self._direct = direct
        self._http = http
        self._clock = clock
        self._callback_url = callback_url
        self._extra = extra
        self._sleep = sleep

    async def advance(self, attempt: Attempt, stage: Stage) -> Progress:
        """Calls the playbook, once. It is repeated only where provably nothing was started. A later stage is one of an
        attempt that went the direct way before there was a playbook."""
        if stage != self.first:
            return await self._direct.advance(attempt, stage)
        try:
            body = {**self._body(attempt), **(await self._extra(attempt) if self._extra else {})}
        except OutsideError as error:  # it was only read
            return Declined(str(error), final=not error.transient)
        try:
            answer = await start_once(lambda: self._ask(attempt, body), self._sleep)
        except (Unreachable, Throttled) as error:
            return Declined(str(error), final=False)
        except OutsideError as error:
            return Unknown(str(error))
        progress = read(answer, attempt)
        if isinstance(progress, Unknown) and progress.accepted:
            return replace(progress, later_url=self._later_url(answer))
        return progress

    def _later_url(self, answer: Answer) -> str | None:
        """Where it will answer, if that is on its own host: nobody else is asked."""
        own = self._url.get_secret_value()
        try:
            there = urljoin(own, answer.headers.get("location", "")) if answer.status == 202 else own
            return there if there != own and _place(there) == _place(own) else None
        except ValueError:  # no address
            return None

    async def answer(self, attempt: Attempt) -> Progress:
        """What the address says at which the playbook promised to answer."""
        if not attempt.later_url:
            return Unknown("it promised no later answer", accepted=True)
        with meters.outside("playbook", "answer") as call:
            said = await self._http.send(WHAT, "GET", attempt.later_url, deadline=LATER_SECONDS)
            call.error = None if said.good else refusal(said.status, WHAT)
        if said.good and said.status != 202:
            return read(said, attempt)
        return Unknown(f"the playbook answered {said.status}", accepted=True)

    async def started(self, attempt: Attempt) -> Sequence[Rerun]:
        return await self._direct.started(attempt)

    async def give_back(self, resource: str, lease: Lease) -> str:
        """What the direct remedy has borrowed before there was a playbook."""
        return await self._direct.give_back(resource, lease) if isinstance(self._direct, Borrower) else ""

    async def _ask(self, attempt: Attempt, body: Mapping[str, object]) -> Answer:
        with meters.outside("playbook", attempt.remediation_action) as call:
            answer = await self._http.send(
                WHAT,
                "POST",
                self._url.get_secret_value(),
                deadline=SECONDS,
                json=body,
                headers={"x-ms-client-tracking-id": attempt.key},
            )
            call.error = None if answer.good else refusal(answer.status, WHAT, starts=True)
        if _busy(answer):
            answer.checked(WHAT, starts=True)
        return answer

    def _body(self, attempt: Attempt) -> dict[str, object]:
        body: dict[str, object] = {
            "pipeline_name": attempt.pipeline,
            "ticket_id": attempt.ticket_id,
            "error_type": attempt.error_type,
            "original_run_id": attempt.original_run_id,
            "reference_run_id": attempt.reference_run_id,
            "retry_attempt": attempt.attempt_number,
            "max_retries": attempt.max_retries,
            "remediation_action": attempt.remediation_action,
            "timestamp": stamp(self._clock.now()),
            "idempotency_key": attempt.key,
            "resource": attempt.resource,
        }
        callback = self._callback_url(attempt) if self._callback_url else None
        return {**body, **({"callback_url": callback} if callback else {})}


def _place(url: str) -> tuple[str, str | None, int | None]:
    """Whose address it is; a trigger's names the port 443, its later one does not."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"https": 443, "http": 80}.get(parts.scheme)


def _busy(answer: Answer) -> bool:
    """Asked to wait, and no run of the workflow: nothing was started. With one, the workflow itself wrote this. A 503
    without the time to wait may be a gateway's, whose line to the workflow broke."""
    asked = answer.status == 429 or (answer.status == 503 and retry_after(answer.headers) is not None)
    return asked and RUN_HEADER not in answer.headers


def read(answer: Answer, attempt: Attempt) -> Progress:
    """What a playbook's answer says about the rerun."""
    kept = cut(scrub(answer.text), KEPT) or f"HTTP {answer.status} without a body"
    body = _object(answer.text)
    if answer.good:
        return _accepted(answer, body, attempt, kept)
    if 400 <= answer.status < 500:
        return _refused(answer, body, kept)
    return _broken(answer, body, kept)


def _accepted(answer: Answer, body: Mapping[str, Any], attempt: Attempt, kept: str) -> Progress:
    status, run_id = _word(body.get("status")).lower(), _run_id(body)
    if status in NO:
        # A Logic App that answers later has no status of its own to say that it is no use to ask again.
        return Declined(f"the playbook failed: {_reason(body)}", final=body.get("final") is True, answer=kept)
    if run_id in (attempt.original_run_id, attempt.reference_run_id):
        # Some playbooks echo the run they were asked to repeat.
        return Unknown("the playbook named the failed run and not its rerun", accepted=True, answer=kept)
    if run_id:
        return Running(Rerun(run_id), answer=kept)
    if status in YES or answer.status == 202:
        return Unknown("the playbook accepted and named no run", accepted=True, answer=kept)
    return Unknown(f"the playbook answered {answer.status} with nothing that we understand", answer=kept)


def _refused(answer: Answer, body: Mapping[str, Any], kept: str) -> Progress:
    """The service's refusal, or the workflow's own. Asking once more would not help, so people are told."""
    if answer.status in (408, 409, 429):
        # Late; or our key is known already; or throttled by something that the workflow called. A run may exist.
        return Unknown(f"the playbook answered {answer.status}: {_reason(body)}", answer=kept)
    error = body.get("error")
    code = _word(error.get("code")) if isinstance(error, dict) else ""
    why = PLAIN_WORDS.get(code) or BY_STATUS.get(answer.status, "it refused the request")
    return Declined(f"the playbook answered {answer.status}, {why}: {_reason(body, answer)}", final=True, answer=kept)


def _broken(answer: Answer, body: Mapping[str, Any], kept: str) -> Progress:
    """A server's error, or the workflow's. Whether a workflow began is told by its run id in the headers alone, and a
    gateway in between may have dropped that: so an answer without one is believed only if the body says "failed"."""
    said_failed = _word(body.get("status")).lower() in NO
    if said_failed and RUN_HEADER not in answer.headers and answer.status not in (502, 503, 504):
        return Declined(f"the playbook failed: {_reason(body)}", final=False, answer=kept)
    return Unknown(f"the playbook answered {answer.status}: {_reason(body, answer)}", answer=kept)


def _object(text: str) -> Mapping[str, Any]:
    """The body as an object, whatever its content type says: a Logic App sends JSON as text/plain."""
    try:
        read = read_json(text.encode())
    except BadDelivery:
        return {}
    return read if isinstance(read, dict) else {}


def _run_id(body: Mapping[str, Any]) -> str:
    found = next(filter(None, (_word(body.get(name)) for name in ("run_id", "runId", "remediation_run_id"))), "")
    return found if len(found) <= LONGEST_ID else ""


def _reason(body: Mapping[str, Any], answer: Answer | None = None) -> str:
    """What the playbook says about it, in at most 300 characters."""
    error = body.get("error")
    nested = error if isinstance(error, dict) else {"message": error}
    words = [_word(body.get("error_message")), _word(nested.get("message")), _word(body.get("message"))]
    said = next(filter(None, words), "") or (readable(answer.text) if answer else "")
    return cut(scrub(" ".join(said.split())), 300) or "it gave no reason"


def _word(value: object) -> str:
    return str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
