"""What people read: the cause in one plain sentence, with a quote from the text, and the thing that is affected."""

import re

from pipemend.core.rca import UNCLASSIFIED, Diagnosis, Remediable
from pipemend.core.scrub import scrub

LONGEST_QUOTE = 160
AROUND = 60

ENTITIES = tuple(
    re.compile(pattern)
    for pattern in (
        r"(?i)\b(?:table|view|column|server|database|container|filesystem|notebook|cluster|secret|blob|file|path|folder"
        r"|linked service|integration runtime|library|package|host|queue|bucket|warehouse|object|parameter|property)"
        r"[ :=]{1,3}(?:name[ :=]{1,3})?['\"`\[]([^'\"`\]\s][^'\"`\]]{0,118})['\"`\]]",
        r"(?i)\b(?:cluster) ([0-9]{4}-[0-9]{6}-[a-z0-9]{1,20})\b",
        r"\b((?:abfss?|wasbs?|adl|s3a?|gs|dbfs):/{1,2}[^\s'\",;)]{1,200})",
        r"\bhttps?://([A-Za-z0-9][A-Za-z0-9.-]{1,150})",
        r"\b([A-Za-z0-9-]{1,60}\.(?:database|sql|blob|dfs|queue|table|vault|azuredatabricks|servicebus)"
        r"\.[A-Za-z0-9.-]{1,60})\b",
    )
)


def root_cause(*, meaning: str, quote: str, activity: str, known: bool = True) -> str:
    """Activity, what broke, and the words that say so, in one sentence."""
    who = f"Activity '{activity}'" if activity else "It"
    why = "because" if known else "and"
    said = f': "{quote}"' if quote else ""
    return f"{who} failed {why} {meaning}{said}."


MAY = {
    Remediable.YES: "A machine may repeat it: that is likely to help.",
    Remediable.CONDITIONAL: "A machine may repeat it only once its condition holds.",
    Remediable.NO: "No machine should repeat it: the same run would fail again.",
}
CONDITIONS = {
    "restart_cluster": "A machine may repeat it once the cluster was started again.",
    "scale_up_cluster": "A machine may repeat it on a larger cluster: on the same one it would fail again.",
    "reinstall_libraries": "A machine may repeat it once the libraries were installed again.",
    "check_upstream": "A machine may repeat it once the input is there.",
    "refresh_linked_service": "A machine may repeat it once the connection was tested and answers.",
}


def may(said: Diagnosis) -> str:
    """Whether a machine may act on it, and why or why not."""
    if said.error_type == UNCLASSIFIED:
        return "No machine should act on an unknown cause."
    if said.details.get("addressed"):
        return "No machine should repeat it: the text gives orders to whoever reads it, and is not trusted."
    if said.remediable is Remediable.CONDITIONAL:
        return CONDITIONS.get(str(said.details["action"]), MAY[said.remediable])
    return MAY[said.remediable]


def explanation(said: Diagnosis) -> str:
    """What broke, whether a machine may act, and the first thing to do, in a few sentences."""
    return " ".join((said.root_cause, may(said), *said.recommendations[:1]))


def quote(text: str, start: int, end: int) -> str:
    """The words from `start` to `end` with a little of what stands around them, cut at words, without secrets."""
    if end <= start:
        return ""
    room = max(0, min(AROUND, (LONGEST_QUOTE - (end - start)) // 2))
    first, last = _left(text, start, room), _right(text, min(end, start + LONGEST_QUOTE), room)
    return scrub(text[first:last].strip(" ,;:'\""))


def _left(text: str, start: int, room: int) -> int:
    if start <= room:
        return 0
    begin = start - room
    stop = max(text.rfind(mark, begin, start) for mark in (". ", "; ", ": ", ",'"))
    if stop >= 0:
        return stop + 2
    space = text.find(" ", begin, start)
    return space + 1 if space >= 0 else start


def _right(text: str, end: int, room: int) -> int:
    if end + room >= len(text):
        return len(text)
    stop = text.find(". ", end, end + room)
    if stop >= 0:
        return stop
    space = text.rfind(" ", end, end + room)
    return space if space >= 0 else end


def entity(text: str, start: int, end: int) -> str:
    """The table, file, server or the like that the text names, nearest to the words that decided."""
    near = text[max(0, start - 300) : end + 500]
    for pattern in ENTITIES:
        if found := pattern.search(near):
            return scrub(found[0][:200].strip())
    return ""
