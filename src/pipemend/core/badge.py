"""Badges and tabs: one place that says how a ticket's state is shown to people."""

from dataclasses import dataclass
from enum import StrEnum

from pipemend.core.ticket import Approval, RemediationStatus, Status, Ticket


class Tab(StrEnum):
    OPEN = "open"
    IN_PROGRESS = "in_progress"
    HEALING = "healing"
    APPROVAL = "approval"
    ESCALATED = "escalated"
    CLOSED = "closed"


TAB_NAMES = {
    Tab.OPEN: "Open",
    Tab.IN_PROGRESS: "In Progress",
    Tab.HEALING: "Auto-Healing",
    Tab.APPROVAL: "Needs approval",
    Tab.ESCALATED: "Escalated",
    Tab.CLOSED: "Closed",
}


@dataclass(frozen=True, slots=True)
class Badge:
    """A word and the duty of its colour: healing, healed, escalated, failed, approval or quiet."""

    text: str
    tone: str


REPAIRS = {
    RemediationStatus.IN_PROGRESS: Badge("🤖 Auto-Healing", "healing"),
    RemediationStatus.SUCCEEDED: Badge("✅ Auto-Remediated", "healed"),
    RemediationStatus.FAILED: Badge("Failed", "escalated"),
    RemediationStatus.MAX_RETRIES_EXCEEDED: Badge("⚠️ Escalated", "escalated"),
}
APPROVALS = {
    Approval.AWAITING: Badge("Needs approval", "approval"),
    Approval.REJECTED: Badge("Rejected", "quiet"),
}


def badge(ticket: Ticket) -> Badge | None:
    """The badge of a ticket, or none while nothing was tried."""
    if ticket.approval in APPROVALS and not ticket.closed:
        return APPROVALS[ticket.approval]
    return REPAIRS[ticket.remediation_status] if ticket.remediation_status else None


def tab(ticket: Ticket) -> Tab:
    """Where a ticket is listed: the first tab that fits."""
    if ticket.closed:
        return Tab.CLOSED
    if ticket.approval is Approval.AWAITING:
        return Tab.APPROVAL
    if ticket.remediation_status is RemediationStatus.IN_PROGRESS:
        return Tab.HEALING
    if ticket.remediation_status in (
        RemediationStatus.FAILED,
        RemediationStatus.MAX_RETRIES_EXCEEDED,
    ):
        return Tab.ESCALATED
    return Tab.IN_PROGRESS if ticket.status is Status.IN_PROGRESS else Tab.OPEN
