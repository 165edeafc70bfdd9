"""What Azure Monitor posts about a failed run, in the shapes that rules produce."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from .clock import milliseconds, stamp
from .data_factory.engine import UNNAMED
from .data_factory.failures import ActivityError
from .data_factory.model import Estate, Place, Run

COMMON = "azureMonitorCommonAlertSchema"
PORTAL = "https://portal.azure.com#@twin/blade/Microsoft_Azure_Monitoring_Logs/LogsBlade/source/Alerts.EmailLinks"
LOGS_API = "https://api.loganalytics.io/v1/workspaces/7c1f60d4-9c2b-4e43-8f6a-2f2cbf1a6a10/query"
QUERY = "ADFActivityRun | where Status == 'Failed' | where PipelineName == '{pipeline}'"


@dataclass(frozen=True)
class Story:
    """What an alert is about."""

    estate: Estate
    run: Run
    at: datetime
    alert_id: str

    @property
    def error(self) -> ActivityError:
        failed = self.run.failed_activity
        return (failed.error if failed else None) or UNNAMED

    @property
    def activity(self) -> tuple[str, str]:
        failed = self.run.failed_activity
        return (failed.step.name, failed.step.type) if failed else ("", "")

    @property
    def pipeline(self) -> str:
        return self.run.pipeline.name

    @property
    def resource(self) -> str:
        return self.estate.resource_id(self.run.pipeline.factory)

    @property
    def place(self) -> Place:
        return self.estate.place(self.run.pipeline.factory)

    @property
    def subscription(self) -> str:
        return f"/subscriptions/{self.place.subscription}"

    @property
    def group(self) -> str:
        return f"{self.subscription}/resourceGroups/{self.place.resource_group}"

    @property
    def workspace(self) -> str:
        return f"{self.group}/providers/Microsoft.OperationalInsights/workspaces/logs-twin"


def tell(estate: Estate, run: Run, at: datetime) -> dict[str, Any] | None:
    """The alert for a failed run in the shape its pipeline asks for; None when it asks for none."""
    shape = _SHAPES.get(run.pipeline.plan.alert)
    return shape(Story(estate, run, at, str(uuid4()))) if shape else None


def resolved(alert: dict[str, Any], at: datetime) -> dict[str, Any] | None:
    """The end of an alert, which comes back under the same id; shapes without an end have none."""
    data = alert.get("data", {})
    if "essentials" in data:
        essentials = {**data["essentials"], "monitorCondition": "Resolved", "resolvedDateTime": milliseconds(at)}
        return {**alert, "data": {**data, "essentials": essentials}}
    if data.get("status") == "Activated":
        context = {**data["context"], "timestamp": stamp(at)}
        return {**alert, "data": {**data, "status": "Deactivated", "context": context}}
    return None


def _essentials(story: Story, signal: str, service: str) -> dict[str, Any]:
    essentials = {
        "alertId": f"{story.subscription}/providers/Microsoft.AlertsManagement/alerts/{story.alert_id}",
        "alertRule": f"{story.pipeline} failed",
        "severity": "Sev3",
        "signalType": signal,
        "monitorCondition": "Fired",
        "monitoringService": service,
        "alertTargetIDs": [_target(story).lower()],
        "configurationItems": [story.run.pipeline.factory.name],
        "originAlertId": str(uuid4()),
        "firedDateTime": milliseconds(story.at),
        "description": f"Pipeline {story.pipeline} failed",
        "essentialsVersion": "1.0",
        "alertContextVersion": "1.0",
    }
    if story.run.pipeline.plan.target == "none":
        del essentials["alertTargetIDs"]
    return essentials


def _target(story: Story) -> str:
    return story.workspace if story.run.pipeline.plan.target == "workspace" else story.resource


def _window(story: Story) -> dict[str, str]:
    return {"windowStartTime": milliseconds(story.at - timedelta(minutes=5)), "windowEndTime": milliseconds(story.at)}


def _metric_condition(story: Story) -> dict[str, Any]:
    return {
        "windowSize": "PT5M",
        "allOf": [
            {
                "metricName": "PipelineFailedRuns",
                "metricNamespace": "Microsoft.DataFactory/factories",
                "operator": "GreaterThan",
                "threshold": "0",
                "timeAggregation": "Total",
                "dimensions": _dimensions({"FailureType": story.error.failure_type, "Name": story.pipeline}),
                "metricValue": 1.0,
                "webTestName": None,
            }
        ],
    }


def _metric(story: Story) -> dict[str, Any]:
    context = {
        "properties": None,
        "conditionType": "SingleResourceMultipleMetricCriteria",
        "condition": {**_metric_condition(story), **_window(story)},
    }
    return _common(_essentials(story, "Metric", "Platform"), context)


def _metric_classic(story: Story) -> dict[str, Any]:
    context = {
        "timestamp": stamp(story.at),
        "id": f"{story.group}/providers/microsoft.insights/metricAlerts/{story.pipeline}-failed",
        "name": f"{story.pipeline}-failed",
        "description": f"Pipeline {story.pipeline} failed",
        "conditionType": "SingleResourceMultipleMetricCriteria",
        "severity": "3",
        "condition": _metric_condition(story),
        "subscriptionId": story.place.subscription,
        "resourceGroupName": story.place.resource_group,
        "resourceName": story.run.pipeline.factory.name,
        "resourceType": "Microsoft.DataFactory/factories",
        "resourceId": story.resource,
        "portalLink": f"https://portal.azure.com/#resource{story.resource}",
    }
    data = {"version": "2.0", "properties": None, "status": "Activated", "context": context}
    return {"schemaId": "AzureMonitorMetricAlert", "data": data}


def _log_v2(story: Story) -> dict[str, Any]:
    name, kind = story.activity
    return _log(
        story,
        {
            "PipelineName": story.pipeline,
            "PipelineRunId": story.run.id,
            "ActivityName": name,
            "ActivityType": kind,
            "ErrorCode": story.error.code,
            "ErrorMessage": story.error.message,
            "FailureType": story.error.failure_type,
        },
    )


def _log_v2_bare(story: Story) -> dict[str, Any]:
    return _log(story, {"PipelineName": story.pipeline, "FailureType": story.error.failure_type})


def _log(story: Story, dimensions: dict[str, str]) -> dict[str, Any]:
    condition = {
        "searchQuery": QUERY.format(pipeline=story.pipeline),
        "metricMeasureColumn": None,
        "targetResourceTypes": "['Microsoft.OperationalInsights/workspaces']",
        "operator": "GreaterThan",
        "threshold": "0",
        "timeAggregation": "Count",
        "dimensions": _dimensions(dimensions),
        "metricValue": 1.0,
        "failingPeriods": {"numberOfEvaluationPeriods": 1, "minFailingPeriodsToAlert": 1},
        "linkToSearchResultsUI": PORTAL,
        "linkToFilteredSearchResultsUI": PORTAL,
        "linkToSearchResultsAPI": LOGS_API,
        "linkToFilteredSearchResultsAPI": LOGS_API,
    }
    context = {
        "properties": {},
        "conditionType": "LogQueryCriteria",
        "condition": {"windowSize": "PT5M", "allOf": [condition], **_window(story)},
    }
    return _common(_essentials(story, "Log", "Log Alerts V2"), context)


def _log_v1(story: Story) -> dict[str, Any]:
    columns = {
        "TimeGenerated": ("datetime", milliseconds(story.at)),
        "ResourceId": ("string", story.resource.upper()),
        "PipelineName": ("string", story.pipeline),
        "RunId": ("string", story.run.id),
        "Status": ("string", "Failed"),
        "ActivityName": ("string", story.activity[0]),
        "ErrorCode": ("string", story.error.code),
        "ErrorMessage": ("string", story.error.message),
        "FailureType": ("string", story.error.failure_type),
        "_ResourceId": ("string", story.resource.lower()),
    }
    table = {
        "name": "PrimaryResult",
        "columns": [{"name": name, "type": kind} for name, (kind, _) in columns.items()],
        "rows": [[value for _, value in columns.values()]],
    }
    source = {"resourceId": story.workspace.lower(), "region": "eastus", "tables": ["ADFPipelineRun"]}
    context = {
        "SearchQuery": QUERY.format(pipeline=story.pipeline),
        "SearchIntervalStartTimeUtc": milliseconds(story.at - timedelta(minutes=5)),
        "SearchIntervalEndtimeUtc": milliseconds(story.at),
        "ResultCount": 1,
        "LinkToSearchResults": PORTAL,
        "LinkToFilteredSearchResultsUI": PORTAL,
        "LinkToSearchResultsAPI": LOGS_API,
        "LinkToFilteredSearchResultsAPI": LOGS_API,
        "SeverityDescription": "Informational",
        "WorkspaceId": "7c1f60d4-9c2b-4e43-8f6a-2f2cbf1a6a10",
        "SearchIntervalDurationMin": "5",
        "AffectedConfigurationItems": [story.run.pipeline.factory.name],
        "AlertType": "Number of results",
        "IncludeSearchResults": True,
        "SearchIntervalInMinutes": "5",
        "SearchResults": {"tables": [table], "dataSources": [source]},
        "Threshold": 0,
        "Operator": "Greater Than",
        "IncludedSearchResults": "True",
    }
    return _common({**_essentials(story, "Log", "Log Analytics"), "alertContextVersion": "1.1"}, context)


def _flat(story: Story) -> dict[str, Any]:
    return {
        "pipelineName": story.pipeline,
        "runId": story.run.id,
        "status": "Failed",
        "errorCode": story.error.code,
        "errorMessage": story.error.message,
        "startTime": stamp(story.run.start),
        "endTime": stamp(story.run.end or story.at),
        "dataFactoryName": story.run.pipeline.factory.name,
    }


def _common(essentials: dict[str, Any], context: dict[str, Any]) -> dict[str, Any]:
    return {"schemaId": COMMON, "data": {"essentials": essentials, "alertContext": context}}


def _dimensions(values: dict[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in values.items()]


_SHAPES: dict[str, Callable[[Story], dict[str, Any]]] = {
    "metric": _metric,
    "metric_classic": _metric_classic,
    "log_v2": _log_v2,
    "log_v2_bare": _log_v2_bare,
    "log_v1": _log_v1,
    "flat": _flat,
}
