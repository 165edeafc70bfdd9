"""A ticket: our record of one failed root run. States, and the moves between them."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

AI_USER, AI_EMPID = "AI_AUTO_HEAL", "AUTO_REM_001"
PIPELINE_USER, RECOVERED_USER, MERGED_USER = "PIPELINE", "RECOVERED", "MERGED"


class Status(StrEnum):
    OPEN = "open"
    IN_PROGRESS = "in_progress"
    ACKNOWLEDGED = "acknowledged"


class RemediationStatus(StrEnum):
    IN_PROGRESS = "in_progress"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    MAX_RETRIES_EXCEEDED = "max_retries_exceeded"


class Approval(StrEnum):
    AWAITING = "awaiting"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"


PREFIXES = {"data_factory": "ADF", "databricks": "DBX"}


def ticket_id(platform: str, resource: str, root_run_id: str, opened_at: datetime) -> str:
    """A name for people, e.g. `ADF-20261123T101500-1f496d07ab`. The unique index on the root run decides."""
    digest = hashlib.sha256(f"{platform}|{resource}|{root_run_id}".encode()).hexdigest()[:10]
    return f"{PREFIXES.get(platform, platform[:3].upper())}-{opened_at:%Y%m%dT%H%M%S}-{digest}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """One failed root run. Field names are the columns, which are the API's names too; times are UTC."""

    id: str
    timestamp: datetime
    failed_at: datetime | None = None
    platform: str
    resource: str
    display_resource: str = ""
    connection: str | None = None
    pipeline: str
    run_id: str
    root_run_id: str
    run_group_id: str | None = None
    run_ended_at: datetime | None = None
    run_link: str | None = None
    error_type: str | None = None
    error_code: str | None = None
    error_message: str | None = None
    rca_result: str | None = None
    rca: Mapping[str, Any] = field(default_factory=dict)
    recommendations: tuple[str, ...] = ()
    confidence: str | None = None
    severity: str = "Medium"
    priority: str = "P3"
    affected_entity: str | None = None
    fingerprint: str | None = None
    auto_heal_possible: bool = False
    decision: Mapping[str, Any] = field(default_factory=dict)
    status: Status = Status.OPEN
    ack_user: str | None = None
    ack_empid: str | None = None
    ack_ts: datetime | None = None
    ack_seconds: float | None = None
    sla_seconds: int = 7200
    sla_status: str = "Pending"
    slack_ts: str | None = None
    slack_channel: str | None = None
    finops_team: str | None = None
    finops_owner: str | None = None
    finops_cost_center: str | None = None
    itsm_ticket_id: str | None = None
    remediation_status: RemediationStatus | None = None
    remediation_run_id: str | None = None
    remediation_attempts: int = 0
    remediation_last_attempt_at: datetime | None = None
    max_attempts: int | None = None
    granted: int = 0
    hands_off: str | None = None
    approval: Approval | None = None
    approval_by: str | None = None
    approval_at: datetime | None = None
    approval_expires_at: datetime | None = None
    proposal: Mapping[str, Any] | None = None  # what a person is asked to say yes to
    merged_into: str | None = None
    route: str = ""  # by which it is told
    definition: str | None = None  # a fingerprint of the pipeline as it was when it failed
    storm_id: str | None = None  # the storm it is told with
    due_at: datetime | None = None
    revision: int = 0
    stumbles: int = 0
    owner: str | None = None

    @property
    def closed(self) -> bool:
        return self.status is Status.ACKNOWLEDGED


# What the repair of a ticket may become, from what it is. Anything else is refused and logged.
REMEDIATION_MOVES: Mapping[RemediationStatus | None, frozenset[RemediationStatus | None]] = {
    None: frozenset({None, RemediationStatus.IN_PROGRESS, RemediationStatus.FAILED}),
    RemediationStatus.IN_PROGRESS: frozenset({None, *RemediationStatus}),
    RemediationStatus.FAILED: frozenset(
        {
            RemediationStatus.IN_PROGRESS,
            RemediationStatus.SUCCEEDED,
            RemediationStatus.FAILED,
        }
    ),
    RemediationStatus.MAX_RETRIES_EXCEEDED: frozenset(
        {
            RemediationStatus.IN_PROGRESS,
            RemediationStatus.SUCCEEDED,
            RemediationStatus.FAILED,
            RemediationStatus.MAX_RETRIES_EXCEEDED,
        }
    ),
    RemediationStatus.SUCCEEDED: frozenset({RemediationStatus.SUCCEEDED, RemediationStatus.FAILED}),
}
