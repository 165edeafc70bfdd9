"""The shapes in which Resource Manager shows factories, pipelines, runs and activity runs."""

import json
from collections.abc import Sequence
from typing import Any

from ..clock import stamp
from .failures import ActivityError
from .model import ActivityRun, Estate, Factory, InvokedBy, LinkedService, Pipeline, Run, Step

DATASET = "ds_"
NO_ERROR = {"errorCode": "", "message": "", "failureType": "", "details": ""}


def factory_view(estate: Estate, factory: Factory) -> dict[str, Any]:
    return {
        "name": factory.name,
        "id": estate.resource_id(factory),
        "type": "Microsoft.DataFactory/factories",
        "properties": {
            "provisioningState": "Succeeded",
            "createTime": stamp(factory.created),
            "version": "2018-06-01",
        },
        "eTag": '"0000ac02-0000-0600-0000-5b24571b0000"',
        "location": "East US",
        "identity": {"type": "SystemAssigned"},
        "tags": {},
    }


def pipeline_view(estate: Estate, pipeline: Pipeline) -> dict[str, Any]:
    activities = [_activity_definition(step, pipeline.plan.linked_services) for step in pipeline.steps()]
    return {
        "id": f"{estate.resource_id(pipeline.factory)}/pipelines/{pipeline.name}",
        "name": pipeline.name,
        "type": "Microsoft.DataFactory/factories/pipelines",
        "etag": "0a0064d4-0000-0600-0000-5b245bd00000",
        "properties": {"activities": activities, "parameters": {}, "annotations": []},
    }


def _activity_definition(step: Step, services: Sequence[str]) -> dict[str, Any]:
    definition: dict[str, Any] = {"name": step.name, "type": step.type, "dependsOn": [], "userProperties": []}
    if step.child:
        definition["typeProperties"] = {
            "pipeline": {"referenceName": step.child, "type": "PipelineReference"},
            "waitOnCompletion": True,
        }
    elif step.own and services:
        definition["inputs"] = [{"referenceName": f"{DATASET}{name}", "type": "DatasetReference"} for name in services]
    return definition


def dataset_view(estate: Estate, factory: Factory, service: LinkedService) -> dict[str, Any]:
    """Each linked service has one data set."""
    name = f"{DATASET}{service.name}"
    properties = {
        "type": "AzureSqlTable",
        "linkedServiceName": {"referenceName": service.name, "type": "LinkedServiceReference"},
        "typeProperties": {"tableName": "orders"},
        "annotations": [],
        "schema": [],
    }
    return _part(estate, factory, "datasets", name, properties)


def linked_service_view(estate: Estate, factory: Factory, service: LinkedService) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "type": service.type,
        "typeProperties": {"connectionString": "Data Source=sql-twin.database.windows.net;Initial Catalog=sales"},
        "annotations": [],
    }
    if service.parameters:
        properties["parameters"] = service.parameters
    return _part(estate, factory, "linkedservices", service.name, properties)


def _part(estate: Estate, factory: Factory, kind: str, name: str, properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": f"{estate.resource_id(factory)}/{kind}/{name}",
        "name": name,
        "type": f"Microsoft.DataFactory/factories/{kind}",
        "properties": properties,
        "etag": "0a0064d4-0000-0600-0000-5b245bd00000",
    }


def run_view(estate: Estate, run: Run) -> dict[str, Any]:
    return {
        "id": f"{estate.resource_id(run.pipeline.factory)}/pipelineruns/{run.id}",
        "runId": run.id,
        "debugRunId": run.id if run.debug else None,
        "runGroupId": run.group,
        "pipelineName": run.pipeline.name,
        "parameters": {name: _text(value) for name, value in run.parameters.items()},
        "invokedBy": _invoked_by(run.invoked_by),
        "runStart": stamp(run.start),
        "runEnd": stamp(run.end) if run.end else None,
        "durationInMs": int((run.end - run.start).total_seconds() * 1000) if run.end else None,
        "status": run.status,
        "message": run.message,
        "lastUpdated": stamp(run.last_updated),
        "annotations": [],
        "runDimension": {},
        "isLatest": run.latest,
    }


def _invoked_by(who: InvokedBy) -> dict[str, Any]:
    shown = {"id": who.id, "name": who.name, "invokedByType": who.type}
    if who.pipeline and who.run_id:
        shown |= {"pipelineName": who.pipeline, "pipelineRunId": who.run_id}
    return shown


def _text(value: Any) -> str:
    """Parameters are shown as strings whatever they were."""
    return value if isinstance(value, str) else json.dumps(value)


def activity_view(estate: Estate, run: Run, activity: ActivityRun) -> dict[str, Any]:
    took = int((activity.end - activity.start).total_seconds() * 1000) if activity.end else None
    place = f"{estate.resource_id(run.pipeline.factory)}/pipelineruns/{run.id}"
    return {
        "activityRunId": activity.id,
        "activityName": activity.step.name,
        "activityType": activity.step.type,
        "pipelineName": run.pipeline.name,
        "pipelineRunId": run.id,
        "linkedServiceName": "",
        "status": activity.status,
        "activityRunStart": stamp(activity.start),
        "activityRunEnd": stamp(activity.end) if activity.end else None,
        "durationInMs": took,
        "input": _input(activity),
        "output": _output(activity),
        "error": _error(activity.error, activity.step.name),
        "retryAttempt": None,
        "iterationHash": "",
        "userProperties": {},
        "recoveryStatus": "None",
        "integrationRuntimeNames": ["defaultintegrationruntime"],
        "executionDetails": None,
        "id": f"{place}/activityruns/{activity.id}",
    }


def _error(error: ActivityError | None, name: str) -> dict[str, Any]:
    if error is None:
        return {**NO_ERROR, "target": name}
    return {
        "errorCode": error.code,
        "message": error.message,
        "failureType": error.failure_type,
        "target": error.target or name,
        "details": "" if error.activity_type == "ExecutePipeline" else [],
    }


def _input(activity: ActivityRun) -> dict[str, Any]:
    if activity.step.child:
        return {"pipeline": {"referenceName": activity.step.child, "type": "PipelineReference"}}
    if activity.step.type == "Copy":
        return {"source": {"type": "DelimitedTextSource"}, "sink": {"type": "AzureSqlSink"}}
    return {}


def _job_output(activity: ActivityRun) -> dict[str, Any]:
    """What is known of the run in Databricks; all of it only when that has ended."""
    if activity.end is None or not activity.output:
        return dict(activity.output)
    billed = {"meterType": "AzureIR", "duration": 0.03333333333333333, "unit": "Hours"}
    return {
        **activity.output,
        "effectiveIntegrationRuntime": "AutoResolveIntegrationRuntime (East US)",
        "executionDuration": int((activity.end - activity.start).total_seconds()),
        "durationInQueue": {"integrationRuntimeQueue": 0},
        "billingReference": {"activityType": "ExternalActivity", "billableDuration": [billed]},
    }


def _output(activity: ActivityRun) -> dict[str, Any]:
    if activity.child_run_id:
        return {"pipelineName": activity.step.child, "pipelineRunId": activity.child_run_id}
    if activity.step.job:
        return _job_output(activity)
    if activity.step.type != "Copy" or activity.end is None:
        return {}
    errors = [{"Code": activity.error.code, "Message": activity.error.message}] if activity.error else []
    return {
        "copyDuration": 6,
        "dataRead": 142000,
        "dataWritten": 0 if errors else 142000,
        "effectiveIntegrationRuntime": "DefaultIntegrationRuntime (East US)",
        "errors": errors,
        "throughput": 23.112,
        "usedParallelCopies": 1,
    }
