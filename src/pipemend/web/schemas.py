"""What the API answers. There are no defaults: a field left out is a mistake, not a null."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, PlainSerializer

from pipemend.core.clock import stamp

Time = Annotated[datetime, PlainSerializer(stamp, return_type=str)]


class Answer(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Problem(BaseModel):
    """What went wrong, after RFC 9457; `field` and `errors` where a part of the request is to blame."""

    type: str
    title: str
    status: int
    detail: str
    field: str | None = None
    errors: list[dict[str, str]] | None = None


class BadgeOut(Answer):
    text: str
    tone: str


class TicketOut(Answer):
    """One failed run: the ticket's columns by name, and what is computed from them."""

    id: str
    timestamp: Time
    failed_at: Time | None
    platform: str
    resource: str
    display_resource: str
    connection: str | None
    pipeline: str
    run_id: str
    root_run_id: str
    run_group_id: str | None
    run_ended_at: Time | None
    run_link: str | None
    error_type: str | None
    error_code: str | None
    error_message: str | None
    rca_result: str | None
    rca: dict[str, Any]
    recommendations: list[str]
    confidence: str | None
    severity: str
    priority: str
    affected_entity: str | None
    fingerprint: str | None
    auto_heal_possible: bool
    decision: dict[str, Any]
    status: str
    ack_user: str | None
    ack_empid: str | None
    ack_ts: Time | None
    ack_seconds: float | None
    sla_seconds: int
    sla_status: str
    slack_ts: str | None
    slack_channel: str | None
    finops_team: str | None
    finops_owner: str | None
    finops_cost_center: str | None
    itsm_ticket_id: str | None
    remediation_status: str | None
    remediation_run_id: str | None
    remediation_attempts: int
    remediation_last_attempt_at: Time | None
    max_attempts: int | None
    granted: int
    hands_off: str | None
    definition: str | None
    approval: str | None
    approval_by: str | None
    approval_at: Time | None
    approval_expires_at: Time | None
    proposal: dict[str, Any] | None
    merged_into: str | None
    route: str
    storm_id: str | None
    due_at: Time | None
    revision: int
    stumbles: int
    owner: str | None
    badge: BadgeOut | None
    tab: str


class HandoverLine(Answer):
    label: str
    says: str
    link: str | None


class TicketWhole(TicketOut):
    """One ticket. `awaits` says what its repair waits for now, until when, and what follows then.

    `handover` is what a person needs to know, while it is a person's turn. `rerun_link` leads to the latest rerun.
    """

    awaits: str | None
    rerun_link: str | None
    handover: list[HandoverLine] | None


class Page(Answer):
    total: int
    page: int
    page_size: int


class TicketPage(Page):
    tickets: list[TicketOut]
    counts: dict[str, int]


class AttemptOut(Answer):
    """One try of a repair. `original_run_id` is the failed run, `remediation_run_id` the rerun."""

    id: int
    key: str
    ticket_id: str
    platform: str
    resource: str
    resource_name: str
    pipeline: str
    original_run_id: str
    reference_run_id: str
    run_group_id: str | None
    remediation_run_id: str | None
    attempt_number: int
    max_retries: int
    status: str
    error_type: str | None
    remediation_action: str | None
    via: str | None
    stage: str | None
    created_at: Time
    started_at: Time
    completed_at: Time | None
    duration_seconds: int | None
    failure_reason: str | None
    logic_app_response: str | None
    by: str
    due_at: Time | None
    deadline: Time | None
    revision: int
    stumbles: int
    owner: str | None
    awaits: str | None
    approved_by: str | None
    held: str | None


class AttemptWhole(AttemptOut):
    """`link` leads to the rerun on its platform."""

    link: str | None


class History(Page):
    attempts: list[AttemptWhole]


class QuestionOut(Answer):
    """A question to a model. Tokens are the model's own count, cost is in US dollars where the price is known."""

    id: int
    ticket_id: str
    fingerprint: str | None
    asked_at: Time
    ended_at: Time | None
    state: str
    model: str | None
    prompt: str | None
    answer: dict[str, Any] | None
    error: str | None
    tokens_read: int | None
    tokens_written: int | None
    cost: float | None


class Questions(Answer):
    questions: list[QuestionOut]


class Label(Answer):
    """A corrected ticket as a labelled message: what the platform had said, and what it was."""

    id: str
    platform: str
    source: str
    source_key: str | None
    message: str
    error_code: str | None
    context: str | None
    error_type: str
    also_accept: list[str]
    remediable: str
    action: str
    severity: str
    rationale: str


class Corrections(Answer):
    corrections: list[Label]


class AuditEntry(Answer):
    id: int
    timestamp: Time
    ticket_id: str | None
    pipeline: str | None
    run_id: str | None
    action: str
    user_name: str
    user_empid: str | None
    time_taken_seconds: int | None
    mttr_minutes: float | None
    sla_status: str | None
    rca_summary: str | None
    finops_team: str | None
    finops_owner: str | None
    itsm_ticket_id: str | None
    details: dict[str, Any]


class AuditPage(Page):
    entries: list[AuditEntry]


class ErrorCount(Answer):
    error_type: str | None
    count: int
    auto_remediated: int


class Day(Answer):
    day: str
    tickets: int
    auto_remediated: int
    escalated: int


class Metrics(Answer):
    """The figures of the plan: percent, minutes, error types, the last attempts, and the days."""

    success_rate: float | None
    avg_mttr_minutes: float | None
    top_errors: list[ErrorCount]
    recent_attempts: list[AttemptOut]
    per_day: list[Day]


class TimesOut(Answer):
    """Mean minutes until tickets were closed."""

    mttr: float | None
    mttr_from_failure: float | None
    healed_mttr: float | None
    healed_mttr_from_failure: float | None


class FiguresDay(Answer):
    day: str
    opened: int
    healed: int
    escalated: int
    closed: int
    times: TimesOut


class NamedCount(Answer):
    name: str | None
    connection: str | None
    count: int
    healed: int
    escalated: int


class Figures(Answer):
    """The figures of the last days (UTC). Rates are percents; tickets count on the day they were opened."""

    days: list[FiguresDay]
    opened: int
    healed: int
    escalated: int
    tried: int
    relapsed: int
    closed: int
    sla_met: int
    success_rate: float | None
    escalation_rate: float | None
    relapse_rate: float | None
    sla_rate: float | None
    hours_saved: float
    times: TimesOut
    attempts: dict[str, int]
    errors: list[NamedCount]
    pipelines: list[NamedCount]


class AlertOut(Answer):
    """An alert and what became of it; the error text is scrubbed and cut."""

    id: int
    delivery_id: int | None
    platform: str
    resource: str | None
    pipeline: str | None
    run_id: str | None
    error_code: str
    error_message: str
    failed_at: Time | None
    rule: str
    state: str
    reason: str | None
    ticket_id: str | None
    tries: int
    created_at: Time
    due_at: Time | None


class DeliveryOut(Answer):
    id: int
    door: str
    received_at: Time
    count: int
    size: int
    outcome: str
    reason: str | None
    accepted: int
    replay_of: int | None
    alerts: list[AlertOut]


class MaskedOut(Answer):
    """A run that went well although something in it failed. `state` is `found`, or `unread` where nobody could look."""

    platform: str
    resource: str
    display_resource: str
    pipeline: str
    run_id: str
    link: str | None
    started_at: Time | None
    ended_at: Time | None
    seen_at: Time
    state: str
    activities: list[dict[str, str]]
    ticket_id: str | None


class MaskedPage(Answer):
    masked_failures: list[MaskedOut]
    total: int
    page: int
    page_size: int


class DeliveryPage(Page):
    deliveries: list[DeliveryOut]
    held: list[AlertOut]


class WholeDelivery(DeliveryOut):
    body: str


class Accepted(Answer):
    delivery: int
    accepted: int
    tickets: list[str]


class PauseOut(Answer):
    """One pipeline, `factory/name`, of which nothing is started; `until` null: until somebody resumes it."""

    pipeline: str
    by: str
    at: Time
    until: Time | None
    reason: str


class BreakerOut(Answer):
    """A circuit breaker that is not closed: `open` until then, after that `half_open`, until a repair succeeds."""

    error_type: str
    action: str
    state: str
    failed: int
    of: int
    until: Time


class Automation(Answer):
    """`enabled`: reruns may start now. `setting`: AUTO_REMEDIATION_ENABLED. `pressed`: the red button holds them."""

    enabled: bool
    reason: str
    by: str | None
    at: Time | None
    setting: bool
    pressed: bool
    paused: list[PauseOut]
    breakers: list[BreakerOut]


class FeedOut(Answer):
    platform: str
    resource: str
    name: str
    watermark: Time
    last_ok_at: Time | None
    due_at: Time | None
    failures: int
    error: str | None


class NotifierOut(Answer):
    name: str
    waiting: int
    waiting_since: datetime | None  # of the oldest message that waits
    error: str | None  # of its last try
    parked: int
    superseded: int


class ParkedOut(Answer):
    notifier: str
    ticket_id: str
    event: str
    at: Time
    tries: int
    error: str | None


class System(Answer):
    version: str
    at: Time
    worker: str | None
    automation: Automation
    reruns_in_flight: int
    feeds: list[FeedOut]
    notifiers: list[NotifierOut]
    parked: list[ParkedOut]


class TokenOut(Answer):
    name: str
    role: str
    created_at: Time
    revoked_at: Time | None


class Tokens(Answer):
    tokens: list[TokenOut]


class NewToken(Answer):
    """`token` is shown this once."""

    name: str
    role: str
    token: str


class SignInLink(Answer):
    url: str
