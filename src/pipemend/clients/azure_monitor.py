"""Opens what Azure Monitor, or a Logic App in its place, posts about a failure: every envelope there is.

Shapes: the common alert schema (metric, log V1 and V2, activity log), `AzureMonitorMetricAlert`,
`Microsoft.Insights/LogAlert`, `Microsoft.Insights/activityLogs`, the flat log alert V1 without a schema, the classic
alert of 2015, and flat JSON written by hand. https://learn.microsoft.com/azure/azure-monitor/alerts/alerts-common-schema
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pipemend.clients.alert_fields import (
    Json,
    duration,
    fields_of,
    first_target,
    get,
    list_in,
    object_in,
    plain,
    target_of,
    text_of,
)
from pipemend.clients.bodies import read_json
from pipemend.core.alert import Signal
from pipemend.core.clock import moment
from pipemend.core.errors import BadDelivery

# By how names are compared, see `plain`.
_NO_FAILURE = frozenset(
    [
        *("succeeded", "success", "completed", "skipped", "cancelled", "canceled", "canceling"),
        *("queued", "pending", "accepted", "started", "running", "inprogress"),
    ]
)
_NAMES_WORK = frozenset(
    [
        *("pipelinename", "pipeline", "pipelinerunid", "runid"),
        *("jobname", "jobid", "clustername", "clusterid"),
    ]
)
_NAMES_FAILURE = frozenset(["datafactoryname", "factoryname", "activityname", "error", "errormessage", "errorcode"])
_SANDBOX = re.compile(r"\bADFSandbox\w*", re.IGNORECASE)
_REAL_RUNS = re.compile(r"\b(?:ADF(?!Sandbox)\w*Runs?|AzureDiagnostics)\b", re.IGNORECASE)
_SAYS_TEST = re.compile(r"\btest (?:notification|alert|message|action group)|\b(?:is|just) a test\b", re.IGNORECASE)
_OVER = ("resolved", "deactivated")


@dataclass(frozen=True, slots=True)
class Envelope:
    """What a body speaks of. Without signals `ignored` says in a sentence why it opens nothing."""

    signals: tuple[Signal, ...] = ()
    ignored: str = ""


def open_envelope(body: bytes) -> Envelope:
    """Everything the body speaks of. Raises BadDelivery, which names the field that makes no sense."""
    return _open(read_json(body), "body")


def _open(value: Any, where: str) -> Envelope:
    if isinstance(value, list):
        return _open_list(value, where)
    if not isinstance(value, dict):
        raise BadDelivery(f"{where}: an object is expected", field=where)
    return _opener(value)(value)


def _open_list(items: Sequence[Any], where: str) -> Envelope:
    opened = []
    for number, item in enumerate(items):
        if not isinstance(item, dict):
            raise BadDelivery(f"{where}[{number}]: an object is expected", field=f"{where}[{number}]")
        opened.append(_open(item, f"{where}[{number}]"))
    signals = tuple(signal for envelope in opened for signal in envelope.signals)
    if signals:
        return Envelope(signals)
    return Envelope(ignored=next((envelope.ignored for envelope in opened), "the list is empty"))


def _opener(value: Json) -> Callable[[Json], Envelope]:
    """Which kind of envelope it is."""
    schema, names = text_of(value.get("schemaId")).lower(), {plain(name) for name in value}
    if schema == "microsoft.insights/logalert":
        return lambda outer: _log_v1(object_in(outer, "data", "data"), "data")
    if schema or ("data" in value and not names & _NAMES_WORK):
        return _with_data
    if names & {"searchquery", "searchresult", "searchresults"}:
        return lambda outer: _log_v1(outer, "")
    if "context" in value and not names & _NAMES_WORK:
        return lambda outer: _metric(outer, "")
    return _flat


def _with_data(value: Json) -> Envelope:
    data = object_in(value, "data", "data")
    if "status" in data and isinstance(data.get("context"), dict) and "essentials" not in data:
        return _metric(data, "data")
    return _common(data)


@dataclass(frozen=True)
class _Cover:
    """What holds for every signal of an envelope."""

    target: str | None = None
    rule: str = ""
    description: str = ""
    fired_at: datetime | None = None
    fields: Mapping[str, str] = field(default_factory=dict)

    def signal(
        self, fields: Mapping[str, str], window: tuple[datetime, datetime] | None = None, metric: str = ""
    ) -> Signal:
        merged = {**self.fields, **fields}
        own = {plain(name): value for name, value in fields.items()}.get("microsoft.resourceid")
        return Signal(
            target=target_of(own) if own else self.target,
            fields=merged,
            window=window,
            fired_at=self.fired_at,
            rule=self.rule,
            metric=metric,
            description=self.description,
        )


def _common(data: Json) -> Envelope:
    """The common alert schema. Bodies written by hand leave most of it out."""
    essentials = object_in(data, "essentials", "data.essentials", empty="alertContext" in data or "context" in data)
    context = object_in(data, "alertContext", "data.alertContext", empty="context" in data)
    outer = object_in(data, "context", "data.context", empty=True)
    if reason := _opens_nothing(essentials):
        return Envelope(ignored=reason)
    cover = _Cover(
        target=first_target(essentials.get("alertTargetIDs")),
        rule=text_of(essentials.get("alertRule")),
        description=text_of(essentials.get("description")),
        fired_at=moment(essentials.get("firedDateTime")),
        fields={
            **fields_of(object_in(data, "customProperties", "data.customProperties", empty=True)),
            **fields_of(object_in(outer, "properties", "data.context.properties", empty=True)),
            **fields_of(object_in(context, "context", "data.alertContext.context", empty=True)),
            **fields_of(object_in(context, "properties", "data.alertContext.properties", empty=True)),
        },
    )
    return _judged(_in_context(cover, context, "data.alertContext"))


def _in_context(cover: _Cover, context: Json, where: str) -> "Iterator[_Row]":
    condition = object_in(context, "condition", f"{where}.condition", empty=True)
    criteria = list_in(condition, "allOf", f"{where}.condition.allOf")
    if criteria:
        yield from _criteria(cover, condition, criteria, f"{where}.condition")
    elif get(context, "SearchResults") is not None or get(context, "SearchQuery") is not None:
        yield from _rows(cover, context, where)
    else:
        yield _Row(cover.signal({}))


def _metric(data: Json, where: str) -> Envelope:
    """`AzureMonitorMetricAlert`, activity log alerts of the old kind, and the classic alert of 2015."""
    prefix = f"{where}." if where else ""
    context = object_in(data, "context", f"{prefix}context")
    if text_of(data.get("status")).lower() in _OVER:
        return Envelope(ignored=f"the alert '{text_of(context.get('name'))}' is over: nothing failed")
    log = object_in(context, "activityLog", f"{prefix}context.activityLog", empty=True)
    cover = _Cover(
        target=target_of(text_of(context.get("resourceId")) or text_of(log.get("resourceId"))),
        rule=text_of(context.get("name")),
        description=text_of(context.get("description")),
        fired_at=moment(context.get("timestamp")) or moment(log.get("eventTimestamp")),
        fields={
            **fields_of(object_in(data, "properties", f"{prefix}properties", empty=True)),
            **fields_of(object_in(context, "properties", f"{prefix}context.properties", empty=True)),
            **fields_of(object_in(log, "properties", f"{prefix}context.activityLog.properties", empty=True)),
        },
    )
    condition = object_in(context, "condition", f"{prefix}context.condition", empty=True)
    # The classic alert has its one criterion where newer ones have a list.
    criteria = list_in(condition, "allOf", f"{prefix}context.condition.allOf") or [condition]
    return _judged(_criteria(cover, condition, criteria, f"{prefix}context.condition"))


def _log_v1(log: Json, where: str) -> Envelope:
    cover = _Cover(
        target=target_of(text_of(get(log, "ResourceId"))),
        rule=text_of(get(log, "AlertRuleName")),
        description=text_of(get(log, "Description")),
        fired_at=moment(get(log, "SearchIntervalEndTimeUtc")),
    )
    return _judged(_rows(cover, log, where))


def _flat(value: Json) -> Envelope:
    """One failure as somebody's Logic App or Web activity writes it."""
    fields = fields_of(value)
    if not (_NAMES_WORK | _NAMES_FAILURE) & {plain(name) for name in fields}:
        raise BadDelivery("neither an alert of Azure Monitor nor a pipeline_name, run_id or error", field="schemaId")
    return _judged([_Row(_Cover().signal(fields))])


@dataclass(frozen=True, slots=True)
class _Row:
    """A signal on its way, with the query and the table that it was found by."""

    signal: Signal
    query: str = ""
    table: str = ""


def _judged(rows: Iterable[_Row]) -> Envelope:
    """Leaves out what is no failure, or the failure of somebody's debug run."""
    found, reasons = [], []
    for row in rows:
        reason = _no_failure(row)
        if reason:
            reasons.append(reason)
        else:
            found.append(row.signal)
    if found:
        return Envelope(tuple(found))
    return Envelope(ignored=reasons[0] if reasons else "the alert has no rows")


def _no_failure(row: _Row) -> str:
    fields = {plain(name): value for name, value in row.signal.fields.items()}
    tables = (row.table, fields.get("type", ""), fields.get("sourcetable", ""))
    if any(map(_SANDBOX.match, tables)) or (_SANDBOX.search(row.query) and not _REAL_RUNS.search(row.query)):
        return "debug runs (ADFSandbox tables) are not repaired"
    status = plain(fields.get("status", ""))
    return f"the status is {fields['status']}: nothing failed" if status in _NO_FAILURE else ""


def _criteria(cover: _Cover, condition: Json, criteria: Sequence[Any], where: str) -> Iterator[_Row]:
    for number, criterion in enumerate(criteria):
        here = f"{where}.allOf[{number}]"
        if not isinstance(criterion, dict):
            raise BadDelivery(f"{here}: an object is expected", field=here)
        fields = _dimensions(criterion, here)
        window = _window(cover, condition, criterion)
        metric = text_of(criterion.get("metricName"))
        yield _Row(cover.signal(fields, window, metric), query=text_of(criterion.get("searchQuery")))


def _dimensions(criterion: Json, where: str) -> dict[str, str]:
    found = {}
    for number, dimension in enumerate(list_in(criterion, "dimensions", f"{where}.dimensions")):
        if not isinstance(dimension, dict):
            here = f"{where}.dimensions[{number}]"
            raise BadDelivery(f"{here}: an object is expected", field=here)
        found[text_of(dimension.get("name"))] = dimension.get("value")
    return fields_of(found)


def _rows(cover: _Cover, log: Json, where: str) -> Iterator[_Row]:
    """Every row of every table. The columns are told once, the rows go by position."""
    name = "SearchResults" if get(log, "SearchResults") is not None else "SearchResult"
    prefix = f"{where}.{name}" if where else name
    results = object_in(log, name, prefix, empty=True)
    query = text_of(get(log, "SearchQuery"))
    window = _ordered(moment(get(log, "SearchIntervalStartTimeUtc")), moment(get(log, "SearchIntervalEndTimeUtc")))
    tables = list_in(results, "tables", f"{prefix}.tables")
    dimensions = _dimensions({"dimensions": _pairs(get(log, "Dimensions"))}, where or "body")
    if not tables:
        yield _Row(cover.signal(dimensions, window), query)
    for number, table in enumerate(tables):
        here = f"{prefix}.tables[{number}]"
        if not isinstance(table, dict):
            raise BadDelivery(f"{here}: an object is expected", field=here)
        columns = [_column(column) for column in list_in(table, "columns", f"{here}.columns")]
        for row in list_in(table, "rows", f"{here}.rows"):
            if not isinstance(row, list):
                raise BadDelivery(f"{here}.rows: a list of lists is expected", field=f"{here}.rows")
            fields = {**dimensions, **fields_of(dict(zip(columns, row, strict=False)))}
            yield _Row(cover.signal(fields, window), query, text_of(table.get("name")))


def _pairs(dimensions: Any) -> list[Any]:
    """Dimensions of log alerts V1 come as a list of pairs, or as one object."""
    if isinstance(dimensions, dict):
        return [{"name": name, "value": value} for name, value in dimensions.items()]
    return [pair for pair in dimensions if isinstance(pair, dict)] if isinstance(dimensions, list) else []


def _column(column: Any) -> str:
    return text_of(get(column, "name")) if isinstance(column, dict) else text_of(column)


def _opens_nothing(essentials: Json) -> str:
    rule, condition = text_of(essentials.get("alertRule")), text_of(essentials.get("monitorCondition"))
    if condition.lower() in _OVER:
        return f"the alert '{rule}' is over: nothing failed"
    # People call their rules "Test…" too, so a rule's name alone proves nothing.
    says_so = rule.lower().startswith("test") and _SAYS_TEST.search(text_of(essentials.get("description")))
    if says_so or text_of(essentials.get("monitoringService")).lower().startswith("test"):
        return f"the alert '{rule}' is a test notification"
    return ""


def _window(cover: _Cover, condition: Json, criterion: Json) -> tuple[datetime, datetime] | None:
    """The time that the alert looked at: as told, else the window's size before the end."""
    start, end = moment(condition.get("windowStartTime")), moment(condition.get("windowEndTime"))
    if start and end and start < end:
        return start, end
    end = end or cover.fired_at
    size = duration(condition.get("windowSize")) or duration(criterion.get("windowSize"))
    try:
        return (end - size, end) if end and size else None
    except OverflowError:
        return None


def _ordered(start: datetime | None, end: datetime | None) -> tuple[datetime, datetime] | None:
    return (start, end) if start and end and start <= end else None
