"""What a notification of Databricks, or an alert of Azure Monitor, says about failed runs and clusters."""

import hmac
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from pipemend.clients.alert_fields import plain
from pipemend.clients.azure_monitor import open_envelope
from pipemend.clients.bodies import read_json
from pipemend.core.alert import Alert, Call, Door, Reading, Signal
from pipemend.core.clock import moment
from pipemend.core.errors import BadDelivery
from pipemend.core.scrub import cut, scrub
from pipemend.platforms.databricks.runs import at, text

PATH = "/databricks-monitor"
WORKSPACES = "microsoft.databricks/workspaces"
CLUSTER = "cluster"  # the kind of activity of an alert that is about a cluster
LONGEST_ID, LONGEST_NAME, LONGEST_RUN = 400, 260, 200
GOOD = ("success", "succeeded", "successwithfailures", "completed", "running", "pending", "queued", "resolved")
BAD_EVENTS = ("fail", "error", "terminat", "timeout", "timedout", "lost")
# A cluster that ends like this has done what it should.
QUIET_ENDS = ("INACTIVITY", "USER_REQUEST", "JOB_FINISHED", "TRIAL_EXPIRED", "AUTOMATIC_CLUSTER_UPDATE")

Named = Callable[[str], str | None]  # the resource that a workspace's id, address or Azure name stands for
Json = Mapping[str, Any]

RUN = ("parentrunid", "jobrunid", "runid")
JOB = ("jobname", "runname", "name")
MESSAGE = ("errormessage", "failuretext", "statemessage", "message", "error")
CODE = ("terminationcode", "errorcode", "code")
ENDED = ("endtime", "terminatedtime", "timegenerated", "timestamp")
WORKSPACE = ("workspaceid", "workspaceurl", "host", "resourceid", "resource", "workspacename")


def door(user: str, password: str, named: Named) -> Door:
    """Basic authentication is all that a notification destination can be given."""
    wanted = f"{user}:{password}".encode()

    def admits(call: Call) -> bool:
        scheme, _, given = call.headers.get("authorization", "").partition(" ")
        try:
            return scheme.lower() == "basic" and hmac.compare_digest(b64decode(given.strip(), validate=True), wanted)
        except ValueError:
            return False

    return Door(PATH, admits, lambda call: read_body(call.body, named))


def read_body(body: bytes, named: Named) -> Reading:
    """The alerts of a notification, or why it opens nothing. Raises BadDelivery."""
    value = read_json(body)
    found, ignored = list[Alert](), ""
    for part in value if isinstance(value, list) else [value]:
        if not isinstance(part, dict):
            raise BadDelivery("body: an object is expected", field="body")
        said = [*_azure(body, named)] if "schemaId" in part else [_notification(part, named)]
        found += [alert for alert in said if isinstance(alert, Alert)]
        ignored = next((word for word in said if isinstance(word, str)), ignored)
    return Reading(tuple(dict.fromkeys(found)), ignored="" if found else ignored, platform="databricks")


def read(signal: Signal, named: Named) -> Alert | None:
    """The failed run or cluster that a signal of Azure Monitor speaks of; None when it is none of ours."""
    fields = dict(_flat({name: _parsed(value) for name, value in signal.fields.items()}))
    if not any(fields.get(name) for name in (*RUN, "jobid", "jobname", "clusterid")):
        return None
    if signal.target and f"/{WORKSPACES}/" not in signal.target:
        return None
    if signal.target:
        fields["workspaceid"] = signal.target
    alert = _alert(fields, named, rule=signal.rule, window=signal.window, fired_at=signal.fired_at)
    return alert if isinstance(alert, Alert) else None


def _azure(body: bytes, named: Named) -> Iterator[Alert | str]:
    envelope = open_envelope(body)
    alerts = [alert for signal in envelope.signals if (alert := read(signal, named))]
    yield from alerts
    if not alerts:
        yield envelope.ignored or "it names no job, no run and no cluster"


def _notification(body: Json, named: Named) -> Alert | str:
    fields = dict(_flat(body))
    event = (fields.get("eventtype") or fields.get("event") or "").lower()
    if event and not any(word in event for word in BAD_EVENTS):
        return f"{event[:100]} is no failure"
    return _alert(fields, named, rule=event)


def _alert(
    fields: Mapping[str, str],
    named: Named,
    *,
    rule: str,
    window: tuple[datetime, datetime] | None = None,
    fired_at: datetime | None = None,
) -> Alert | str:
    """The alert that the fields speak of, or why there is none."""
    run_id, job, cluster = _first(fields, RUN), _first(fields, JOB), fields.get("clusterid", "")
    about_cluster = not run_id and bool(cluster)
    if not (run_id or job or cluster or fields.get("jobid")):
        raise BadDelivery("it names no run, no job and no cluster", field="run")
    result = plain(fields.get("resultstate") or fields.get("status") or "")
    if not about_cluster and result in GOOD:
        return f"the run is {result}: no failure"
    if about_cluster and (why := _quiet(fields)):
        return why
    if about_cluster:
        job = f"cluster {fields.get('clustername') or cluster}"
    return Alert(
        platform="databricks",
        resource=_resource(fields, named),
        pipeline=(job or _unnamed(fields))[:LONGEST_NAME] or None,
        run_id=run_id[:LONGEST_RUN] or None,
        window=window,
        activity=(cluster if about_cluster else fields.get("taskkey", ""))[:LONGEST_ID],
        activity_type=CLUSTER if about_cluster else "",
        error_code=_first(fields, CODE),
        error_message=cut(scrub(_first(fields, MESSAGE))),
        failure_type=fields.get("terminationtype") or (fields.get("type", "") if about_cluster else ""),
        failed_at=next(filter(None, (_time(fields.get(name, "")) for name in ENDED)), None) or fired_at,
        rule=rule[:LONGEST_NAME],
    )


def _unnamed(fields: Mapping[str, str]) -> str:
    return f"job {fields['jobid']}" if fields.get("jobid") else ""


def _quiet(fields: Mapping[str, str]) -> str:
    """Why the end of a cluster is no failure; empty when it is one."""
    code, kind = _first(fields, CODE).upper(), (fields.get("terminationtype") or fields.get("type", "")).upper()
    if kind == "SUCCESS" or code in QUIET_ENDS:
        return f"the cluster ended as it should ({code or kind})"
    if not code and fields.get("state", "").upper() not in ("ERROR", "TERMINATED"):
        return "the cluster has not failed"
    return ""


def _resource(fields: Mapping[str, str], named: Named) -> str | None:
    """The workspace's resource; what it is called there where it is none of ours, None where nothing is said."""
    said = [fields[name] for name in WORKSPACE if fields.get(name)]
    known = next(filter(None, (named(word) for word in said)), None)
    unknown = next((word for word in said if word.isdigit() or "." in word or "/" in word), "")
    return known or unknown.lower()[:LONGEST_ID] or None


def _flat(body: Json) -> Iterator[tuple[str, str]]:
    """The fields by the plainest form of their names, those of inner objects too. The outermost come last, and win.

    A job, a run and a cluster have names and states of their own, so these get their owner's name where they are told
    apart by it.
    """
    for name, value in body.items():
        inner = plain(name)
        if isinstance(value, dict):
            yield from ((_owned(inner, field), said) for field, said in _flat(value))
    for name, value in body.items():
        if not isinstance(value, dict | list) and (said := text(value).strip()):
            yield plain(name), said


def _owned(owner: str, field: str) -> str:
    if owner == "settings" or (owner == "job" and field == "name"):
        return "jobname" if field == "name" else field
    if owner == "terminationreason" or owner == "reason":
        return {"code": "terminationcode", "type": "terminationtype"}.get(field, field)
    if owner == "cluster" and field in ("name", "id"):
        return f"cluster{field}"
    return field


def _parsed(value: str) -> Any:
    """Log rows hold objects as JSON texts."""
    if not value.startswith("{"):
        return value
    try:
        return read_json(value.encode())
    except BadDelivery:
        return value


def _time(said: str) -> datetime | None:
    return at(said) if said.isdigit() else moment(said)


def _first(fields: Mapping[str, str], names: tuple[str, ...]) -> str:
    return next((fields[name].strip() for name in names if fields.get(name, "").strip()), "")
