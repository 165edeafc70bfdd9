"""Secrets out of texts, and long texts made shorter. Error texts pass here before anybody or anything reads them."""

import re

STARS = "***"

_KEYS = r"account[_ -]?key|(?:shared[_ -]?)?access[_ -]?key|api[_ -]?key|subscription[_ -]?key|functions[_ -]?key"
# The look ahead is there for speed: it lets the search skip what cannot begin a name.
_NAME = rf"(?=[aAcCfFpPsS])(?i:{_KEYS}|password|passwd|passphrase|pwd|(?:client|shared)[_ -]?secret)"
_ANY_NAME = rf"(?=[aAfFpPsStT])(?i:{_KEYS}|password|passwd|passphrase|pwd|secret|token)"
_QUOTED = r"\"[^\"]*+\"?|'[^']*+'?"
_VALUE = rf"(?:{_QUOTED}|[^;\s\"'<>]++(?: [^;=\r\n\"']*+(?=;))?)"  # may hold blanks where a semicolon ends it

# By what a text must hold (in small letters) for the pattern to be worth trying: most texts hold none of it, and the
# door scrubs every alert. `keep` survives, the rest of a match becomes stars. Every pattern reads its text in one go
# (possessive, bounded): texts come from outside and may be made to be slow.
_PATTERNS = tuple(
    (sign, re.compile(pattern, re.DOTALL))
    for sign, pattern in (
        ("private key-", r"(?P<keep>-----(?i:BEGIN [A-Z ]{0,40}PRIVATE KEY)-----)[^-]*+"),
        # https://user:password@host; a password may hold an @
        ("://", r"(?P<keep>://)[^\s/?#\"'<>@:]*+:[^\s/?#\"'<>]*@"),
        # SharedAccessSignature=sv=…&sig=… and, as a header, SharedAccessSignature sr=…&sig=…
        ("sharedaccesss", r"(?P<keep>\b(?i:SharedAccessSignature)(?:\s?[=:]\s?|\s(?=s[a-z]{1,2}=)))[^\s;\"'<>]++"),
        # the signature of an address, also when the address is quoted once or twice more
        ("sig", r"(?P<keep>(?:\b|(?<=%3F)|(?<=%26)|(?<=%253F)|(?<=%2526))(?i:sig(?:=|%3D|%253D)))[^&\s\"'<>;,)]++"),
        ("", r"(?P<keep>[?&](?i:code|key|secret|token|api-?key|access_token)=)[^&\s\"'<>]++"),
        (
            "authorization",
            r"(?P<keep>\b(?i:authorization)[\"']?\s{0,4}[:=]\s{0,4}[\"']?)(?:(?i:basic|bearer|digest)\s{1,4})?[^\s\"',;]++",
        ),
        ("bearer", r"(?P<keep>\b(?i:bearer)\s{1,4})(?:[\w.~+/-]{20,}+|(?=[^\s\d]{0,20}\d)[\w.~+/-]{12,}+)=*+"),
        # JSON, and JSON that is a text within JSON
        ('"', rf"(?P<keep>{_ANY_NAME}\"\s{{0,4}}:\s{{0,4}}\")(?:[^\"\\]|\\.)*+"),
        ('\\"', rf"(?P<keep>{_ANY_NAME}\\{{1,3}}\"\s{{0,4}}:\s{{0,4}}\\{{1,3}}\")[^\"\\]*+"),
        # connection strings, headers, settings: AccountKey=…; Password='…'; api-key: …
        ("=", rf"(?P<keep>{_ANY_NAME}\s{{0,4}}=\s{{0,4}}){_VALUE}"),
        (":", rf"(?P<keep>{_NAME}\s{{0,4}}:\s{{1,4}})(?:{_QUOTED}|[^;\s\"'<>]++)"),
        # tokens that are known by their form: Databricks, Slack, GitHub, Atlassian, Google, OpenAI, JWT, Entra
        ("dapi", r"(?P<keep>\bdapi)[0-9a-fA-F]{32}(?:-\d{1,4})?"),
        ("xox", r"(?P<keep>\bxox[a-z]-)[A-Za-z0-9-]{8,}+"),
        ("xapp-", r"(?P<keep>\bxapp-)[A-Za-z0-9-]{8,}+"),
        ("gh", r"(?P<keep>\bgh[opsur]_)\w{20,}+"),
        ("github_pat_", r"(?P<keep>\bgithub_pat_)\w{20,}+"),
        ("atatt3x", r"(?P<keep>\bATATT3x)[\w=-]{20,}+"),
        ("aiza", r"(?P<keep>\bAIza)[\w-]{30,}+"),
        ("sk-", r"(?P<keep>\bsk-)[\w-]{20,}+"),
        ("eyj", r"(?P<keep>\beyJ)[\w-]{8,}+\.[\w-]++\.[\w-]*+"),
        ("8q~", r"(?P<keep>)(?<![\w.~-])[\w.~-]{3}8Q~[\w.~-]{31,34}"),
    )
)
_STEMS = ("key", "pass", "pwd", "secret", "token")  # what every name of a secret holds
_NEED_A_NAME = ("=", ":", '"', '\\"')


_EMAIL = re.compile(r"(?<![\w.+/-])[\w.+-]{1,64}+@(?:[\w-]{1,63}+\.){1,8}[A-Za-z]{2,24}+")
_emails = [False]


def redact_emails(wanted: bool) -> None:
    """From now on e-mail addresses go the way of secrets, or stay. Said once, when the process starts."""
    _emails[0] = wanted


def scrub(text: str) -> str:
    """The text without what looks like a secret: signatures, keys, passwords, tokens. Rather a word too many than one
    too few."""
    if _emails[0] and "@" in text:
        text = _EMAIL.sub(STARS, text)
    small = text.lower()
    named = any(stem in small for stem in _STEMS)
    for sign, pattern in _PATTERNS:
        if sign in small and (named or sign not in _NEED_A_NAME):
            text = pattern.sub(rf"\g<keep>{STARS}", text)
    return text


def cut(text: str, limit: int = 32 * 1024) -> str:
    """The text in at most `limit` bytes of UTF-8; from a longer one head and tail are kept, with a note between."""
    raw = text.encode("utf-8", "replace")
    if len(raw) <= limit:
        return text
    note = f"\n[… {len(raw) - limit} bytes left out …]\n"
    room = limit - len(note.encode())
    if room <= 0:
        return raw[:limit].decode("utf-8", "ignore")
    head, tail = raw[: room - room // 4], raw[len(raw) - room // 4 :]
    return head.decode("utf-8", "ignore") + note + tail.decode("utf-8", "ignore")
