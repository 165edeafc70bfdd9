"""Fingerprints: the same failure with other ids, times, paths and numbers has the same one."""

import hashlib
import re

from pipemend.analyzers.evidence import Evidence

HEAD, TAIL = 2_000, 1_000
# What differs from one time to the next, the widest first. Every pattern reads its text in one go.
CHANGES = tuple(
    re.compile(pattern)
    for pattern in (
        r"\b[a-z][a-z0-9+.-]{1,10}:/{1,3}[^\s'\",;)\]}>]++",  # addresses: https, abfss, wasbs, jdbc, dbfs
        r"\b[a-z]:\\[^\s'\",;)]++",
        r"(?<![\w.])/{0,2}(?:[\w.=@~-]++/){1,30}[\w.=@~*-]*+",  # paths
        r"[\w.+-]{1,64}+@[\w-]{1,64}+\.[\w.-]++",
        r"\b(?:mon|tue|wed|thu|fri|sat|sun)[a-z]{0,6},? ++(?=[0-9]|[a-z]{3} [0-9])",
        r"\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}\.? ++(?=[0-9])"
        r"|(?<=[0-9] )(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}(?= [0-9])",
        # ids, times, numbers, and names that hold one
        r"(?<![a-z0-9])(?=[\w:.+-]{0,60}[0-9])[\w:.+-]++(?: (?:am|pm|utc|gmt)\b)?",
    )
)
MARK = "#"
BETWEEN = re.compile(rf"[^\w{MARK}]+")
MARKS = re.compile(rf"{MARK}(?: ?{MARK})+")


def fingerprint(platform: str, error_type: str, evidence: Evidence) -> str:
    """16 hexadecimal digits for what an error says, without what differs from one time to the next."""
    facts = sorted({fact.value for fact in (*evidence.http, *evidence.sql)})
    told = evidence.low[: evidence.start]  # the words of the codes
    whole = "|".join((platform, error_type, *facts, told, skeleton(evidence.low[evidence.start :])))
    return hashlib.sha256(whole.encode("utf-8", "replace")).hexdigest()[:16]


def skeleton(text: str) -> str:
    """The words of a text in small letters, with one mark for all that differs."""
    if len(text) > HEAD + TAIL:
        text = text[:HEAD] + text[-TAIL:]
    for pattern in CHANGES:
        text = pattern.sub(MARK, text)
    return MARKS.sub(MARK, BETWEEN.sub(" ", text))
