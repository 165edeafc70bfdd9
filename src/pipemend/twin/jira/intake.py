"""Reading the fields of a new or edited issue, as strictly as Jira does."""

import re
from dataclasses import fields as names_of
from typing import Any

from ..wire import items, within
from .documents import flaw
from .site import Fields

TYPES = ("Task", "Bug", "Story", "Epic", "Incident", "[System] Incident")
KEY = re.compile(r"[A-Z][A-Z0-9_]+")
NO_DOCUMENT = "Operation value must be an Atlassian Document (see the Atlassian Document Format)"


class BadFields(ValueError):
    """Jira would refuse these fields: what it says about each, and why the twin thinks so."""

    def __init__(self, errors: dict[str, str], why: str = "") -> None:
        super().__init__(str(errors))
        self.errors = errors
        self.why = why or next(iter(errors.values()))


def new_fields(given: dict[str, Any], projects: tuple[str, ...]) -> Fields:
    """The fields of a new issue. Raises BadFields."""
    raw = within(given, "fields")
    errors: dict[str, str] = {}
    project = str(within(raw, "project").get("key") or "")
    if not KEY.fullmatch(project) or (projects and project not in projects):
        errors["project"] = "valid project is required"
    kind = str(within(raw, "issuetype").get("name") or "")
    if kind not in TYPES:
        errors["issuetype"] = "Specify a valid issue type"
    if "summary" not in raw:
        errors["summary"] = "You must specify a summary of the issue."
    if errors:
        raise BadFields(errors)
    return Fields(project=project, type=kind, **_common(raw))


def read_changes(given: dict[str, Any], was: Fields) -> dict[str, Any]:
    """What an edit changes: `fields` set values, `update` adds and removes labels. Raises BadFields."""
    changes = _common(within(given, "fields"))
    labels = list(changes.get("labels", was.labels))
    for change in items(within(given, "update"), "labels"):
        labels = [label for label in labels if label != change.get("remove")]
        labels += [change["add"]] if change.get("add") and change["add"] not in labels else []
    if set(labels) != set(was.labels):
        changes["labels"] = _labels(labels)
    return {**changes, "more": {**was.more, **changes["more"]}}


def _common(raw: dict[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    if "summary" in raw:
        values["summary"] = _summary(raw["summary"])
    if raw.get("description") is not None:
        values["description"] = _description(raw["description"])
    if "labels" in raw:
        values["labels"] = _labels(raw["labels"] or [])
    if raw.get("priority"):
        values["priority"] = str(within(raw, "priority").get("name", "Medium"))
    if raw.get("assignee"):
        values["assignee"] = within(raw, "assignee").get("accountId")
    own = {field.name for field in names_of(Fields)} | {"issuetype"}
    values["more"] = {name: value for name, value in raw.items() if name not in own}
    return values


def _summary(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise BadFields({"summary": "You must specify a summary of the issue."})
    if "\n" in value or "\r" in value:
        raise BadFields({"summary": "The summary is invalid because it contains newline characters."})
    if len(value) > 255:
        raise BadFields({"summary": "Summary can't exceed 255 characters."})
    return value


def _description(value: Any) -> dict[str, Any]:
    wrong = flaw(value)
    if wrong:
        raise BadFields({"description": NO_DOCUMENT if not isinstance(value, dict) else "INVALID_INPUT"}, wrong)
    return dict(value)


def _labels(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise BadFields({"labels": "Specify the value for labels in an array"})
    for label in value:
        if not isinstance(label, str) or not label or " " in label:
            raise BadFields({"labels": f"The label '{label}' contains spaces which is invalid."})
        if len(label) > 255:
            raise BadFields({"labels": f"The label '{label}' exceeds 255 characters."})
    return tuple(dict.fromkeys(value))
