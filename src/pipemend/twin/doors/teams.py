"""A Teams workflow: "When a Teams webhook request is received", then "Post card in a chat or channel"."""

from typing import Any

from ..listeners import SIG
from ..operations import operation
from ..refusals import arm_error
from ..wire import Answer, Call, Refused, items, within
from ..world import World

CARD, NEWEST, LARGEST = "application/vnd.microsoft.card.adaptive", (1, 5), 28 * 1024
ELEMENTS = ("TextBlock", "RichTextBlock", "FactSet", "Container", "ColumnSet", "Image", "Table", "ActionSet")


def post_card(world: World, call: Call) -> Answer:
    """Answers before anything is posted, as a flow without a response does: with 202 and nothing more."""
    if call.query.get("sig") != SIG:
        raise Refused(arm_error("DirectApiAuthorizationRequired", "The request must be authenticated.", 401))
    if len(call.body) > LARGEST:
        raise Refused(arm_error("RequestEntityTooLarge", "Request Entity too large", 413))
    try:
        message = call.json()
    except ValueError:
        raise Refused(arm_error("InvalidRequestContent", "The request content is not valid JSON.", 400)) from None
    cards = [within(attachment, "content") for attachment in items(message, "attachments")]
    kinds = [attachment.get("contentType") for attachment in items(message, "attachments")]
    wrong = "no attachments" if not cards else next(filter(None, map(_wrong, cards, kinds)), None)
    if wrong:
        raise Refused(arm_error("TriggerInputSchemaMismatch", f"The card cannot be shown: {wrong}.", 400))
    world.listeners.cards.setdefault(call.params["workflow"], []).extend(cards)
    return Answer(202)


def _wrong(card: dict[str, Any], kind: object) -> str | None:
    version = tuple(int(part) for part in str(card.get("version") or "0").split(".") if part.isdigit())
    if kind != CARD or card.get("type") != "AdaptiveCard":
        return f"{kind} is no Adaptive Card"
    if not (1, 0) <= version <= NEWEST:
        return f"version {card.get('version')}"
    odd = [element.get("type") for element in items(card, "body") if element.get("type") not in ELEMENTS]
    if odd or not items(card, "body"):
        return f"elements {odd}"
    if any(action.get("type") == "Action.OpenUrl" and not action.get("url") for action in items(card, "actions")):
        return "a button without an address"
    empty = [run for block in items(card, "body") for run in items(block, "inlines") if not run.get("text")]
    return "an empty run" if empty else None


PATH = "/teams/workflows/{workflow}/triggers/manual/paths/invoke"
OPERATIONS = (operation("teams", "postCard", "POST", PATH, post_card),)
