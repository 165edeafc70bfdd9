"""Buttons below a ticket's message: what the ticket allows at this moment, and which call asks for what."""

from collections.abc import Callable, Mapping

from pipemend.core.commands import Acknowledge, Approve, Command, Escalate, Reject, Retry, Stop
from pipemend.core.offers import Offer, offers
from pipemend.core.ticket import Ticket
from pipemend.notifiers.phrases import clean
from pipemend.notifiers.slack.blocks import Block, Blocks

PREFIX = "pipemend_"
LONGEST = 300
SHOWN: Mapping[Offer, tuple[str, str | None]] = {
    Offer.APPROVE: ("Approve", "primary"),
    Offer.REJECT: ("Reject", "danger"),
    Offer.ACKNOWLEDGE: ("Acknowledge", None),
    Offer.RETRY: ("Retry now", None),
    Offer.STOP: ("Stop automation", None),
    Offer.ESCALATE: ("Hand over", None),
}


def buttons(ticket: Ticket) -> Blocks:
    """The buttons of the ticket as it is now, or nothing. A value names what the reader saw: proposal or attempts."""
    found = [_button(offer, ticket) for offer in offers(ticket)]
    return ({"type": "actions", "elements": found},) if found else ()


def _button(offer: Offer, ticket: Ticket) -> Block:
    label, style = SHOWN[offer]
    seen = (ticket.proposal or {}).get("id") if offer in (Offer.APPROVE, Offer.REJECT) else ticket.remediation_attempts
    button = {
        "type": "button",
        "text": {"type": "plain_text", "text": label},
        "action_id": f"{PREFIX}{offer}",
        "value": f"{ticket.id}:{seen}",
    }
    return {**button, "style": style} if style else button


def command(action_id: str, value: str, by: str) -> Command | None:
    """What a press asks for; nothing when it is no button of ours, such as a link."""
    ticket_id, _, seen = value.rpartition(":")
    make = MAKES.get(action_id.removeprefix(PREFIX))
    odd = not ticket_id or len(value) > LONGEST or clean(value) != value
    if make is None or odd or not action_id.startswith(PREFIX):
        return None
    return make(ticket_id, seen, by)


MAKES: Mapping[str, Callable[[str, str, str], Command]] = {
    Offer.APPROVE: lambda ticket_id, seen, by: Approve(ticket_id=ticket_id, by=by, proposal=seen),
    Offer.REJECT: lambda ticket_id, seen, by: Reject(ticket_id=ticket_id, by=by, proposal=seen),
    Offer.ACKNOWLEDGE: lambda ticket_id, _, by: Acknowledge(ticket_id=ticket_id, by=by),
    Offer.RETRY: lambda ticket_id, seen, by: Retry(ticket_id=ticket_id, by=by, seen=seen),
    Offer.STOP: lambda ticket_id, _, by: Stop(ticket_id=ticket_id, by=by),
    Offer.ESCALATE: lambda ticket_id, _, by: Escalate(ticket_id=ticket_id, by=by),
}
