"""Data Factory's run as ours."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from pipemend.core.clock import moment
from pipemend.core.run import Resource, Run, RunRef, RunStatus
from pipemend.core.scrub import cut, scrub

STUDIO = "https://adf.azure.com/en/monitoring/pipelineruns"


def run_of(raw: Mapping[str, Any], resource: Resource) -> Run | None:
    """The run that a JSON object describes; None when it has no id. Whatever else is missing or odd stays empty."""
    run_id = text(raw.get("runId"))
    if not run_id:
        return None
    by = raw.get("invokedBy")
    started_by = by if isinstance(by, dict) else {}
    parent = text(started_by.get("pipelineRunId"))
    return Run(
        ref=RunRef(resource.platform, resource.id, run_id),
        pipeline=text(raw.get("pipelineName")),
        status=status_of(raw.get("status")),
        group_id=text(raw.get("runGroupId")) or run_id,
        parent=RunRef(resource.platform, resource.id, parent) if parent else None,
        started_at=moment(raw.get("runStart")),
        ended_at=moment(raw.get("runEnd")),
        manual="manual" in _kinds(started_by),
        window=_window(started_by, raw.get("parameters")),
        debug="sandbox" in _kinds(started_by) or bool(raw.get("debugRunId")),
        message=cut(scrub(text(raw.get("message")))),
        link=link(resource, run_id),
    )


def status_of(word: object) -> RunStatus:
    """An unknown word is no end: somebody keeps looking."""
    try:
        return RunStatus(word) if isinstance(word, str) else RunStatus.UNKNOWN
    except ValueError:
        return RunStatus.UNKNOWN


def link(resource: Resource, run_id: str) -> str:
    """The run in Data Factory Studio."""
    return f"{STUDIO}/{quote(run_id, safe='')}?factory={quote(resource.id, safe='')}"


def text(value: object) -> str:
    """A text without what no database keeps; numbers are taken as written, anything else is nothing."""
    if isinstance(value, str):
        return value.replace("\x00", "").encode("utf-8", "replace").decode()
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def _kinds(started_by: Mapping[str, Any]) -> set[str]:
    """Older answers give only a name, which is then the kind: Manual, Sandbox, or the trigger's name."""
    kind = text(started_by.get("invokedByType")) or text(started_by.get("name"))
    return {kind.lower()}


def _window(started_by: Mapping[str, Any], parameters: object) -> str | None:
    """Names one firing of a trigger: its name and the id of the trigger run.

    A window that is run again through its trigger has a new trigger run. Where a parameter says when it starts, that
    names it: its name is the pipeline's own choice, so one that contains `windowStart` is taken.
    """
    kind, name = text(started_by.get("invokedByType")), text(started_by.get("name"))
    if kind.lower() == "tumblingwindowtrigger" and (start := _window_start(parameters)):
        return f"{name}/{start}"
    if kind and not kind.lower().endswith("trigger"):
        return None
    if not kind and (name.lower() in ("", "manual", "sandbox") or started_by.get("pipelineRunId")):
        return None
    return f"{name}/{text(started_by.get('id'))}"


def _window_start(parameters: object) -> str | None:
    given = parameters if isinstance(parameters, dict) else {}
    starts = (moment(value) for name, value in given.items() if "windowstart" in str(name).lower().replace("_", ""))
    return next((start.isoformat() for start in starts if start), None)
