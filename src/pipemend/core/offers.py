"""What a person may ask of a ticket now, as far as the ticket itself tells; the command has the last word."""

from enum import StrEnum

from pipemend.core.ticket import Approval, RemediationStatus, Ticket


class Offer(StrEnum):
    APPROVE = "approve"
    REJECT = "reject"
    ACKNOWLEDGE = "acknowledge"
    RETRY = "retry"
    STOP = "stop"
    ESCALATE = "escalate"


# Guardrails that no person can overrule.
NO_RETRY = {"switched_on", "connection_known", "pipeline_allows", "really_failed"}


def offers(ticket: Ticket) -> tuple[Offer, ...]:
    """In the order in which they are shown."""
    if ticket.closed:
        return ()
    if ticket.approval is Approval.AWAITING:
        return (Offer.APPROVE, Offer.REJECT, Offer.ACKNOWLEDGE)
    if ticket.remediation_status is RemediationStatus.IN_PROGRESS:
        return (Offer.ACKNOWLEDGE,) if ticket.hands_off else (Offer.ACKNOWLEDGE, Offer.STOP, Offer.ESCALATE)
    return (Offer.ACKNOWLEDGE, Offer.RETRY) if _may_retry(ticket) else (Offer.ACKNOWLEDGE,)


def _may_retry(ticket: Ticket) -> bool:
    words = ticket.decision.get("words") or ()
    against = {word.get("guardrail") for word in words if word.get("objects") and word.get("final")}
    off = ticket.hands_off is not None or ticket.decision.get("answer") == "never"
    return ticket.run_ended_at is not None and off and not against & NO_RETRY
