"""What may be asked of the API: queries and bodies, with their limits. Unknown names are refused."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, Self

from fastapi import Path
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from pipemend.core.badge import Tab
from pipemend.core.commands import Command, Correct, Pause, Resume, Switch
from pipemend.core.playbook import ERROR_TYPES
from pipemend.core.rca import UNCLASSIFIED, Remediable, Severity
from pipemend.store import audit

MOST_PAGES = 100_000
Words = Annotated[str, Field(max_length=500, pattern=r"^[^\x00]*$")]
Pipeline = Annotated[str, Field(max_length=300, pattern=r"^[^\x00/]+/[^\x00]+$")]  # factory/name
TicketId = Annotated[str, Path(max_length=200)]
DeliveryId = Annotated[int, Path(ge=1, le=2**31 - 1)]


class Query(BaseModel):
    """What may follow the question mark. An empty value counts as absent, an unknown name is refused."""

    model_config = ConfigDict(extra="forbid")

    page: int = Field(1, ge=1, le=MOST_PAGES)
    page_size: int = Field(50, ge=1, le=200)

    @model_validator(mode="before")
    @classmethod
    def _drop_empty(cls, given: Any) -> Any:
        return {name: value for name, value in given.items() if value != ""} if isinstance(given, dict) else given

    @property
    def offset(self) -> int:
        return (self.page - 1) * self.page_size


class TicketQuery(Query):
    q: Words = ""
    tab: Tab | None = None
    platform: Words | None = None
    connection: Words | None = None
    pipeline: Words | None = None
    error_type: Words | None = None
    severity: Severity | None = None
    team: Words | None = None
    sort: Literal["newest", "oldest", "pipeline", "severity"] = "newest"


class FiguresQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    days: int = Field(30, ge=1, le=366)


class AuditQuery(Query):
    ticket_id: Words | None = None
    user: Words | None = None
    action: Words | None = None
    q: Words = ""
    days: int | None = Field(None, ge=1, le=3660)

    def wanted(self, now: datetime) -> audit.Wanted:
        since = now - timedelta(days=self.days) if self.days else None
        return audit.Wanted(self.ticket_id, self.user, self.action, self.q, since)


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


def _for_example(*bodies: dict[str, Any]) -> ConfigDict:
    """Bodies that are good, for the description of the API."""
    return ConfigDict(json_schema_extra={"examples": list(bodies)})


class AcknowledgeIn(Body):
    model_config = _for_example({}, {"empid": "E1234"})

    empid: Annotated[str, Field(max_length=100, pattern=r"^[^\x00]*$")] | None = None


ProposalId = Annotated[str, Field(max_length=64, pattern=r"^[0-9a-f]+$")]


class ApproveIn(Body):
    """`proposal`: its id as you saw it; another one since then gets no yes."""

    model_config = _for_example({}, {"proposal": "5f0c2a91be774d03"})

    proposal: ProposalId | None = None


class RejectIn(ApproveIn):
    model_config = _for_example({"reason": "The source is down until noon."})

    reason: Words = ""


class EscalateIn(Body):
    model_config = _for_example({"reason": "The vendor must look at it."})

    reason: Words = ""


class ReopenIn(Body):
    model_config = _for_example({"reason": "The numbers are still missing."})

    reason: Words = ""


class StopIn(Body):
    model_config = _for_example({"cancel_run": True})

    cancel_run: bool = Field(False, strict=True)


def _error_type(value: str) -> str:
    if value not in ERROR_TYPES and value != UNCLASSIFIED:
        raise ValueError("not one of the known error types, see docs/reference/catalogue.md")
    return value


class CorrectIn(Body):
    model_config = _for_example(
        {"error_type": "GatewayTimeout", "remediable": "yes", "note": "The proxy was restarted that night."}
    )

    error_type: Annotated[str, AfterValidator(_error_type), Field(examples=["GatewayTimeout"])]
    remediable: Remediable
    note: Words = ""

    def command(self, by: str, ticket_id: str) -> Correct:
        return Correct(
            by=by, ticket_id=ticket_id, error_type=self.error_type, remediable=str(self.remediable), note=self.note
        )


class AutomationIn(Body):
    """The red button; with `pipeline` (`factory/name`) a pause of that one alone, or its end."""

    model_config = _for_example(
        {"enabled": False, "reason": "The network is being rebuilt."},
        {"enabled": False, "pipeline": "adf-sales/nightly-load", "until": "2030-01-31T06:00:00Z"},
    )

    enabled: bool = Field(strict=True)
    reason: Words = ""
    pipeline: Pipeline | None = None
    until: AwareDatetime | None = None

    @model_validator(mode="after")
    def _ends_a_pause_only(self) -> Self:
        if self.until is not None and (self.pipeline is None or self.enabled):
            raise ValueError("until: only a pause of one pipeline ends by itself")
        return self

    def command(self, by: str) -> Command:
        if self.pipeline is None:
            return Switch(by=by, enabled=self.enabled, reason=self.reason)
        if self.enabled:
            return Resume(by=by, pipeline=self.pipeline, reason=self.reason)
        return Pause(by=by, pipeline=self.pipeline, until=self.until, reason=self.reason)


class TokenIn(Body):
    model_config = _for_example({"name": "grafana", "role": "viewer"})

    name: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._@ -]*$")]
    role: Literal["viewer", "operator", "admin"]
