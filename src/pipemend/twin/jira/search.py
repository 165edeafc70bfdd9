"""The part of JQL that finds issues by label, key, project, status and words."""

import re
from collections.abc import Callable

from .documents import plain
from .site import Fields, Issue
from .workflow import CATEGORIES

CLAUSE = re.compile(
    r"""\s*(?P<field>"[^"]+"|\w+)\s*(?P<operator>!=|=|~|\bnot\s+in\b|\bin\b)\s*
        (?P<value>\([^)]*\)|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^\s()]+)\s*""",
    re.VERBOSE | re.IGNORECASE,
)
VALUE = re.compile(r""""((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|([^\s,()]+)""")
Test = Callable[[Issue, Fields], bool]


class BadJql(ValueError):
    """Jira would not understand the query; the message says why."""


_FIELDS: dict[str, Callable[[Issue, Fields], list[str]]] = {
    "labels": lambda _, fields: list(fields.labels),
    "key": lambda issue, _: [issue.key],
    "issuekey": lambda issue, _: [issue.key],
    "issue": lambda issue, _: [issue.key],
    "id": lambda issue, _: [issue.id, issue.key],
    "project": lambda _, fields: [fields.project],
    "status": lambda _, fields: [fields.status.name],
    "statuscategory": lambda _, fields: [fields.status.category, CATEGORIES[fields.status.category][2]],
    "issuetype": lambda _, fields: [fields.type],
    "summary": lambda _, fields: [fields.summary],
    "text": lambda _, fields: [fields.summary, plain(fields.description)],
    "description": lambda _, fields: [plain(fields.description)],
}


def test(jql: str) -> Test:
    """Clauses joined by AND, ordered by whatever. Raises BadJql."""
    wanted = re.split(r"\border\s+by\b", jql, flags=re.IGNORECASE)[0].strip()
    if not wanted:
        raise BadJql("Unbounded JQL queries are not allowed here. Please add a search restriction to your query.")
    clauses: list[Test] = []
    while wanted:
        match = CLAUSE.match(wanted)
        if match is None:
            raise BadJql(f"Error in the JQL Query: Expecting a field, an operator and a value but got '{wanted}'.")
        clauses.append(
            _clause(match["field"].strip('"').lower(), " ".join(match["operator"].lower().split()), match["value"])
        )
        wanted = _after_and(wanted[match.end() :])
    return lambda issue, fields: all(clause(issue, fields) for clause in clauses)


def _after_and(rest: str) -> str:
    if not rest.strip():
        return ""
    joined = re.match(r"\s*and\b(.*)", rest, re.IGNORECASE | re.DOTALL)
    if joined is None or not joined[1].strip():
        raise BadJql(f"Error in the JQL Query: Expecting 'AND' but got '{rest.strip()}'.")
    return joined[1]


def _clause(field: str, operator: str, value: str) -> Test:
    if field not in _FIELDS:
        raise BadJql(f"Field '{field}' does not exist or you do not have permission to view it.")
    if operator in ("in", "not in") and not value.startswith("("):
        raise BadJql("Error in the JQL Query: Expecting '(' before the list of values.")
    read = _FIELDS[field]
    values = {_unquoted(found).lower() for found in VALUE.finditer(value)}
    if operator == "~":
        return lambda issue, fields: any(v in have.lower() for have in read(issue, fields) for v in values)
    wanted = operator in ("=", "in")
    return lambda issue, fields: any(have.lower() in values for have in read(issue, fields)) is wanted


def _unquoted(found: re.Match[str]) -> str:
    text = next(group for group in found.groups() if group is not None)
    return re.sub(r"\\(.)", r"\1", text)
