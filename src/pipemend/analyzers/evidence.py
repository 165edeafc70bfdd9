"""Reads an error text: cleans it, keeps it short, and takes out the facts: codes, HTTP statuses, SQL error numbers."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

HEAD, TAIL, AROUND, CAUSES = 8_000, 16_000, 1_000, 4
MOST_TOKENS = 3_000


@dataclass(frozen=True, slots=True)
class Fact:
    """A code or a number, and where it stands. `told` is false for what only stands somewhere in the text."""

    value: str
    start: int
    end: int
    told: bool = True

    @property
    def number(self) -> int | None:
        return int(self.value) if self.value.isascii() and self.value.isdigit() and len(self.value) < 7 else None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What an error text says. `plain` begins with the words of the codes, the text itself begins at `start`."""

    plain: str
    low: str
    start: int
    codes: tuple[Fact, ...] = field(default=())
    http: tuple[Fact, ...] = field(default=())
    sql: tuple[Fact, ...] = field(default=())
    states: tuple[Fact, ...] = field(default=())


def read(message: str, code: str = "") -> Evidence:
    """The evidence in a message of any size that arrived with `code`."""
    text = clean(window(message))
    codes = [Fact(code.strip(), 0, 0)] if code.strip() else []
    codes += _codes(text)
    words = " ".join(dict.fromkeys(spoken(fact.value) for fact in codes if fact.told and not fact.number))
    plain = f"{words}. {text}" if words else text  # a sentence of their own
    start = len(plain) - len(text)
    return Evidence(
        plain=plain,
        low=lowered(plain),
        start=start,
        codes=tuple(codes),
        http=tuple(_statuses(text, code)),
        sql=tuple(_sql_numbers(text, code)),
        states=tuple(_sql_states(text)),
    )


def window(message: str) -> str:
    """The parts of a long text where causes stand: its beginning, its end, and the last `Caused by`."""
    if len(message) <= HEAD + TAIL:
        return message
    middle = message[HEAD:-TAIL]
    parts = [message[:HEAD]]
    at = len(middle)
    causes: list[str] = []
    while len(causes) < CAUSES and (at := middle.rfind("Caused by", 0, at)) >= 0:
        causes.append(middle[at : at + AROUND])
    return "\n".join([*parts, *reversed(causes), message[-TAIL:]])


ESCAPES = re.compile(r"\\{1,6}(?:r\\{1,6}n|[nrt])|\\{1,6}(?=[\"'/])")
UNICODE = re.compile(r"\\{1,6}u([0-9a-fA-F]{4})")
QUOTES = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"', "\u00a0": " ", "\u200b": None, "‑": "-", "–": "-"})
# The name of an activity can say anything: it is no evidence.
TARGET = re.compile(r"\boperation on target .{0,200}? failed:", re.IGNORECASE)

# What a platform says beside every error of a kind is no evidence where an inner cause follows, or causes are guessed.
SAID_ALWAYS = re.compile(
    r"check the linked service configuration is correct, and make sure the sql database firewall allows the integration"
    r" runtime to access\.?(?=.{40})"
    r"|possible causes: network connectivity, dns failure, server certificate validation or timeout\.?"
    r"|(?:for more details )?(?:please )?(?:check the )?run page url: \S+",
    re.IGNORECASE,
)


def clean(text: str) -> str:
    """One line, without escapes, curly quotes, and the names of activities in wrappers."""
    if "\\" in text:
        text = ESCAPES.sub(lambda found: " " if found[0][-1] in "nrt" else "", text)
        text = UNICODE.sub(lambda found: chr(int(found[1], 16)), text)
    line = " ".join(text.translate(QUOTES).split()).replace("invalid status code", "status code").replace("...", "…")
    return " ".join(SAID_ALWAYS.sub(" ", TARGET.sub(" ", line)).split())


def lowered(text: str) -> str:
    """Lower case in which every character keeps its place."""
    low = text.lower()
    return low if len(low) == len(text) else "".join(c.lower() if len(c.lower()) == 1 else c for c in text)


HUMPS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[0-9]+")


@lru_cache(4096)
def spoken(code: str) -> str:
    """The words in a code: `UserErrorInvalidColumnName` says `user error invalid column name`."""
    return " ".join(HUMPS.findall(code)).lower()


TOLD = re.compile(
    r"\b(?:[a-z]+[ _])?(?:error|err|status|reason|termination|sub)?[ _]?code[\"']?\s{0,2}(?:is|was)?\s{0,2}[:=]?\s{0,2}"
    r"(?:\[?[\"'])?([a-z0-9][\w.-]{1,120})|\bSQLSTATE[:= ]{1,3}([0-9A-Z]{5})\b|\b(?:type|reason)[\"']?\s?[:=]\s?[\"']?"
    r"([A-Z][A-Z]+_[A-Z_]+)|\[(?-i:([A-Z][A-Z0-9]+(?:_[A-Z0-9]+)+(?:\.[A-Z0-9_]+)*))\]",  # [SPARK_CONDITION.DETAIL]
    re.IGNORECASE,
)
TOKEN = re.compile(r"[A-Za-z][A-Za-z0-9]+(?:[_-][A-Za-z0-9]+)*(?:\.[A-Z][A-Z0-9]*_[A-Z0-9_]+)?")
CODELIKE = re.compile(
    r"[A-Z]+(?:[_-][A-Z0-9]+)+|[A-Za-z]*[a-z][A-Z][A-Za-z0-9]*|[A-Z]{2,}-[A-Za-z0-9-]+|[A-Z]{2,}[a-z]+[A-Za-z]*"
)


def _codes(text: str) -> Iterator[Fact]:
    told = set()
    for found in TOLD.finditer(text):
        value = next(filter(None, found.groups())).rstrip(".-")
        told.add(found.end())
        yield Fact(value, found.end() - len(value), found.end())
    for count, found in enumerate(TOKEN.finditer(text)):
        if count >= MOST_TOKENS:
            return
        if found.end() not in told and CODELIKE.search(found[0]):
            yield Fact(found[0], found.start(), found.end(), told=False)


NAMED = {
    "badrequest": 400, "unauthorized": 401, "forbidden": 403, "notfound": 404, "methodnotallowed": 405,
    "requesttimeout": 408, "conflict": 409, "gone": 410, "preconditionfailed": 412, "requestentitytoolarge": 413,
    "toomanyrequests": 429, "internalservererror": 500, "badgateway": 502, "serviceunavailable": 503,
    "gatewaytimeout": 504,
}  # fmt: skip
NAMES = "|".join(NAMED)
REASONS = (
    "bad request|unauthorized|forbidden|not found|method not allowed|request timeout|request time-?out|conflict|gone"
    "|too many requests|internal server error|server error|bad gateway|service unavailable|server unavailable"
    "|service temporarily unavailable|gateway time-?out|client error|web server"
)
STATUS = re.compile(
    r"\bstatus[ _-]?(?:code|line)?s?[\"']?(?: does not indicate success| is| was| of| returned)?\s{0,2}[:=]?\s{0,2}"
    rf"[\"'(]{{0,2}}([1-5][0-9]{{2}}|{NAMES})\b"
    r"|\bhttps?(?:/[0-9.]{1,3})?(?: response)?(?: status)?(?: error)?(?:[ _-]code)?[\"']?"
    r"\s{0,2}[:=]?\s{0,2}\(?([1-5][0-9]{2})\b"
    rf"|\(([1-5][0-9]{{2}}|{NAMES})\)"
    rf"|\b([1-5][0-9]{{2}})\s{{0,2}}[-:,]?\s{{0,2}}\(?(?:{REASONS})\b"
    r"|\berror(?:_?code)?[\"']?\s{0,2}[:=]?\s{0,2}([45][0-9]{2})(?![0-9])"
    r"|\b([45][0-9]{2}) error\b",
    re.IGNORECASE,
)
# What urllib3 prints when every try was answered alike: a fact, whatever the words around it say.
ALWAYS_ANSWERED = re.compile(r"\btoo many ([45][0-9]{2}) error responses")


def _statuses(text: str, code: str) -> Iterator[Fact]:
    if (status := NAMED.get(code.strip().lower())) or re.fullmatch(r"[45][0-9]{2}", code.strip()):
        yield Fact(str(status or code.strip()), 0, 0)
    for found in ALWAYS_ANSWERED.finditer(text):
        yield Fact(found[1], found.start(), found.end())
    for found in STATUS.finditer(text):
        value = next(filter(None, found.groups()))
        yield Fact(str(NAMED.get(value.lower(), value)), found.start(), found.end(), told=False)


SQL_NUMBER = re.compile(
    r"\bSql ?Error ?(?:Number|Code)?\s{0,2}[:=]?\s{0,2}\(?(-?[0-9]{1,6})\b"
    r"|\b(?:Msg|Message)\s{1,2}([0-9]{2,5}), Level\b"
    r"|\bNumber\s{0,2}[:=]\s{0,2}([0-9]{2,5}), ?(?:State|Class)\b"
    r"|\berror (?:code|number)\s{0,2}[:=]?\s{0,2}'?([0-9]{3,5})\b"
    r"|\(([0-9]{4}), [\"']"
    r"|\b(?:error|errors|Fehler|错误|エラー)\s{0,2}[:：]?\s{0,2}([0-9]{3,5})(?![0-9])",
    re.IGNORECASE,
)
SQLISH = re.compile(
    r"sql|jdbc|database|synapse|warehouse|datenbank|数据库|データベース|base de datos|error code [0-9]{4,5}\.",
    re.IGNORECASE,
)


def _sql_numbers(text: str, code: str) -> Iterator[Fact]:
    if not SQLISH.search(text) and not SQLISH.search(code):
        return
    if re.fullmatch(r"[0-9]{3,5}", code.strip()):
        yield Fact(code.strip(), 0, 0)
    for found in SQL_NUMBER.finditer(text):
        value = next(filter(None, found.groups()))
        yield Fact(value.lstrip("-"), found.start(), found.end())


# Five letters and digits that databases of every vendor share; the first two are the class of the error.
STATE = re.compile(
    r"\bSQL[_ ]?STATE[\"']?\s{0,2}[:=]?\s{0,2}[\[('\"]{0,2}([0-9A-Z]{5})\b|\bERROR \[([0-9A-Z]{5})\]"
    r"|\(([0-9A-Z]{5})\): SQL\b|\('([0-9A-Z]{5})', ?u?[\"']\["
    r"|^(?:ERROR: )?\b(?=[0-9A-Z]{0,4}[A-Z])([0-9][0-9A-Z]{4}): (?=[a-z])",
    re.IGNORECASE,
)


def _sql_states(text: str) -> Iterator[Fact]:
    for found in STATE.finditer(text):
        value = next(filter(None, found.groups())).upper()
        yield Fact(value, found.start(), found.end())
