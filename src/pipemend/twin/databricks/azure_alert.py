"""The alert that a log rule over the workspace's diagnostic logs raises when a cluster goes down."""

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from ..clock import milliseconds
from .clusters import Cluster

RULE = "Databricks Cluster Failure Detection"
COLUMNS = {
    "TimeGenerated": "datetime",
    "ClusterId": "string",
    "ClusterName": "string",
    "State": "string",
    "TerminationCode": "string",
    "TerminationType": "string",
    "FailureText": "string",
}


def cluster_alert(workspace: str, cluster: Cluster, at: datetime) -> dict[str, Any]:
    """In the common schema, with the row that the rule found."""
    group = "/subscriptions/00000000-0000-4000-8000-00000000adf0/resourcegroups/rg-twin/providers"
    reason = cluster.reason
    row = [milliseconds(at), cluster.id, cluster.name, cluster.state]
    row += [reason.code, reason.type, reason.text] if reason else ["", "", ""]
    columns = [{"name": name, "type": kind} for name, kind in COLUMNS.items()]
    table = {"name": "PrimaryResult", "columns": columns, "rows": [row]}
    return {
        "schemaId": "azureMonitorCommonAlertSchema",
        "data": {
            "essentials": {
                "alertId": f"{group.split('/resourcegroups')[0]}/providers/Microsoft.AlertsManagement/alerts/{uuid4()}",
                "alertRule": RULE,
                "severity": "Sev2",
                "signalType": "Log",
                "monitorCondition": "Fired",
                "monitoringService": "Log Analytics",
                "alertTargetIDs": [f"{group}/microsoft.databricks/workspaces/{workspace}"],
                "firedDateTime": milliseconds(at),
            },
            "alertContext": {
                "SearchQuery": "DatabricksClusters | where ActionName endswith 'Result'",
                "SearchIntervalStartTimeUtc": milliseconds(at - timedelta(minutes=5)),
                "SearchIntervalEndTimeUtc": milliseconds(at),
                "ResultCount": 1,
                "LinkToSearchResults": "https://portal.azure.com/#blade/Twin",
                "SearchResults": {"tables": [table]},
            },
        },
    }
