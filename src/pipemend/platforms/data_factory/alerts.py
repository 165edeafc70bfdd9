"""What an alert says about runs of Data Factory."""

import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from pipemend.clients.alert_fields import plain
from pipemend.core.alert import Alert, Signal
from pipemend.core.clock import moment
from pipemend.core.run import Resource
from pipemend.core.scrub import scrub

FACTORIES = "microsoft.datafactory/factories"
FAILED_RUNS, FAILED_ACTIVITIES = "pipelinefailedruns", "activityfailedruns"
FACTORY = re.compile(rf"(/[^/]+(?:/[^/]+)*?/providers/{re.escape(FACTORIES)}/[^/]+)(?:/.*)?")
FOREIGN = ("jobid", "jobname", "clusterid", "clustername", "dagid", "taskid")
# Azure's own names are shorter. These become keys, and PostgreSQL refuses keys of more than 2.6 KB.
LONGEST_ID, LONGEST_NAME, LONGEST_RUN = 400, 260, 200

PIPELINE = ("pipelinename", "pipeline")
RUN = ("pipelinerunid", "runid")
FACTORY_ID = ("resourceid", "factoryid", "datafactoryid", "resource")
FACTORY_NAME = ("datafactoryname", "factoryname", "datafactory", "factory")
MESSAGE = ("errormessage", "message", "failuretext", "error")
ENDED = ("endtime", "end", "runend", "failedat", "timegenerated", "timestamp")

Named = Callable[[str], Resource | None]


def read(signal: Signal, named: Named) -> Alert | None:
    """The failed run that a signal speaks of; None when it speaks of no factory's.

    `named` knows the connected factory of a bare name. A factory we are not connected to stays in the alert, by its id
    or its name: people are told that there is no connection.
    """
    fields = _fields(signal.fields)
    resource = _target(signal, fields, named)
    if resource is None:
        return None
    error = _error(fields)
    alert = Alert(
        platform="data_factory",
        resource=resource[:LONGEST_ID] or None,
        pipeline=(_first(fields, PIPELINE) or _by_metric(signal, fields, FAILED_RUNS))[:LONGEST_NAME] or None,
        run_id=_first(fields, RUN)[:LONGEST_RUN] or None,
        window=signal.window,
        activity=_first(fields, ("activityname", "activity")) or _by_metric(signal, fields, FAILED_ACTIVITIES),
        activity_type=_first(fields, ("activitytype",)),
        error_code=_first(fields, ("errorcode",)) or error.get("errorcode", ""),
        error_message=scrub(_message(fields, error)),
        failure_type=_first(fields, ("failuretype",)) or error.get("failuretype", ""),
        failed_at=_failed_at(signal, fields),
        rule=signal.rule,
    )
    return alert if alert.pipeline or alert.run_id or _counts_failures(signal) else None


def _target(signal: Signal, fields: Mapping[str, str], named: Named) -> str | None:
    """The factory's id, or its bare name where it is no connection of ours; empty where none is named, None for
    something that is no factory."""
    if signal.target:
        return _factory_id(signal.target)
    if not _first(fields, PIPELINE) and any(fields.get(name) for name in FOREIGN):
        return None
    given = _first(fields, FACTORY_ID)
    if found := _factory_id(given):
        return found
    if "/providers/" in given.lower() and "/microsoft.operationalinsights/" not in given.lower():
        return None
    name = _first(fields, FACTORY_NAME) or ("" if "/" in given else given)
    known = named(name) if name else None
    return known.id if known else name.lower()


def _factory_id(resource_id: str) -> str | None:
    found = FACTORY.fullmatch(resource_id.strip().rstrip("/").lower())
    return found[1] if found else None


def _counts_failures(signal: Signal) -> bool:
    """The metric of failed runs names no run, and no pipeline either when its rule is not split: still failures."""
    return signal.metric.lower() in (FAILED_RUNS, FAILED_ACTIVITIES)


def _by_metric(signal: Signal, fields: Mapping[str, str], metric: str) -> str:
    """The metrics' dimension Name is a pipeline, or an activity."""
    name = fields.get("name", "") if signal.metric.lower() == metric else ""
    return "" if name == "*" else name


def _failed_at(signal: Signal, fields: Mapping[str, str]) -> datetime | None:
    found = (moment(fields[name]) for name in ENDED if name in fields)
    return next(filter(None, found), None) or signal.fired_at


def _message(fields: Mapping[str, str], error: Mapping[str, str]) -> str:
    said = next((fields[name] for name in MESSAGE if fields.get(name) and not _parsed(fields[name])), "")
    return said or error.get("message", "") or _first(fields, MESSAGE)


def _error(fields: Mapping[str, str]) -> Mapping[str, str]:
    """The error as an object, where one came along."""
    for name in ("error", "errormessage"):
        if found := _parsed(fields.get(name, "")):
            inner = found.get("error")
            return _fields(inner if isinstance(inner, dict) else found)
    return {}


def _parsed(text: str) -> Mapping[str, Any] | None:
    if not text.startswith("{"):
        return None
    try:
        read = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return read if isinstance(read, dict) else None


def _fields(given: Mapping[str, Any]) -> dict[str, str]:
    """The fields by the plainest form of their names; of two that are the same then, the first counts."""
    found: dict[str, str] = {}
    for name, value in given.items():
        if isinstance(value, str | int | float) and not isinstance(value, bool) and value != "":
            found.setdefault(plain(name), str(value))
    return found


def _first(fields: Mapping[str, str], names: tuple[str, ...]) -> str:
    return next((fields[name].strip() for name in names if fields.get(name, "").strip()), "")
