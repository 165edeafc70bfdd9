"""Why clusters end: termination reasons by name, and the sentences that go with them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .endings import Ending, ending


@dataclass(frozen=True)
class Reason:
    code: str
    type: str = "CLOUD_FAILURE"
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """What the vendor says about it, as far as it says anything."""
        told = self.parameters.get("databricks_error_message") or self.parameters.get("azure_error_message")
        return told or f"Cluster terminated. Reason: {self.code.replace('_', ' ').title()}"

    def as_dict(self) -> dict[str, Any]:
        shown: dict[str, Any] = {"code": self.code, "type": self.type}
        return shown | ({"parameters": dict(self.parameters)} if self.parameters else {})


class BadReason(ValueError):
    """A reason cannot be read; the message says why."""


def _reason(code: str, kind: str, message: str = "", **parameters: str) -> Reason:
    told = {"databricks_error_message": message} if message else {}
    return Reason(code, kind, {**told, **parameters})


QUOTA = (
    "Operation could not be completed as it results in exceeding approved standardDSv3Family Cores quota. Additional "
    "details - Deployment Model: Resource Manager, Location: eastus, Current Limit: 350, Current Usage: 350, "
    "Additional Required: 4, (Minimum) New Limit Required: 354."
)
USER = Reason("USER_REQUEST", "SUCCESS", {"username": "twin@example.com"})
JOB_FINISHED = Reason("JOB_FINISHED", "SUCCESS")

NAMED: dict[str, Reason] = {
    reason.code: reason
    for reason in (
        USER,
        JOB_FINISHED,
        Reason("INACTIVITY", "SUCCESS", {"inactivity_duration_min": "30"}),
        _reason("AZURE_QUOTA_EXCEEDED_EXCEPTION", "CLIENT_ERROR", QUOTA, azure_error_code="OperationNotAllowed"),
        _reason(
            "AZURE_RESOURCE_MANAGER_THROTTLING",
            "CLOUD_FAILURE",
            "Azure resource provider is currently under high load and requests are being throttled.",
            azure_error_code="OperationNotAllowed",
        ),
        _reason(
            "CLOUD_PROVIDER_LAUNCH_FAILURE",
            "CLOUD_FAILURE",
            "Error: not enough IP addresses in subnet public-subnet",
            azure_error_code="SubnetIsFull",
        ),
        _reason("CLOUD_PROVIDER_SHUTDOWN", "CLOUD_FAILURE", "The cloud provider shut down the driver's instance."),
        _reason("SPOT_INSTANCE_TERMINATION", "CLOUD_FAILURE", "The spot instance of the driver was reclaimed."),
        _reason(
            "INSTANCE_UNREACHABLE",
            "CLOUD_FAILURE",
            "An unexpected error was encountered while setting up the cluster. Please retry and contact Azure "
            "Databricks if the problem persists. Internal error message: Timeout while placing node",
        ),
        _reason("DBR_CLUSTER_LAUNCH_TIMEOUT", "SERVICE_FAULT", "Cluster launch timeout."),
        _reason("BOOTSTRAP_TIMEOUT", "SERVICE_FAULT", "Bootstrap timed out while nodes were initializing."),
        _reason("DRIVER_UNREACHABLE", "CLOUD_FAILURE", "The Spark driver failed to start within 300 seconds"),
        _reason("DRIVER_NOT_RESPONDING", "SERVICE_FAULT", "Driver is not responding, likely due to GC."),
        _reason("DRIVER_OUT_OF_MEMORY", "CLIENT_ERROR", "The driver ran out of memory."),
        _reason(
            "INIT_SCRIPT_FAILURE",
            "CLIENT_ERROR",
            "Cluster scoped init script /Volumes/etl/init.sh failed: Script exit status is non-zero",
        ),
        _reason("METASTORE_COMPONENT_UNHEALTHY", "CLOUD_FAILURE", "The metastore did not answer in time."),
        _reason("INVALID_ARGUMENT", "CLIENT_ERROR", "The node type is not supported in this region."),
        _reason("INTERNAL_ERROR", "SERVICE_FAULT", "An unexpected error was encountered. Please try again."),
        _reason("REQUEST_THROTTLED", "CLIENT_ERROR", "Too many requests for clusters. Try again later."),
    )
}  # fmt: skip


def read_reason(item: Any) -> Reason:
    """A name, or an object with `code`, `type` and `parameters`. Raises BadReason."""
    if isinstance(item, str) and item in NAMED:
        return NAMED[item]
    if not isinstance(item, Mapping) or set(item) - {"code", "type", "parameters"} or "code" not in item:
        raise BadReason(f"a reason has code, type and parameters, or is one of {', '.join(NAMED)}, not {item!r}")
    usual = NAMED.get(str(item["code"]), Reason(str(item["code"])))
    parameters = item.get("parameters", usual.parameters)
    if not isinstance(parameters, Mapping):
        raise BadReason("parameters: an object")
    return Reason(usual.code, str(item.get("type", usual.type)), {str(k): str(v) for k, v in parameters.items()})


def not_ready(cluster_id: str, reason: Reason) -> Ending:
    """How a run ends whose cluster did not come up."""
    code = "CLOUD_FAILURE" if reason.type == "CLOUD_FAILURE" else "CLUSTER_ERROR"
    told = ",".join(f"{name}:{value}" for name, value in reason.parameters.items())
    return ending(
        code,
        f"Unexpected failure while waiting for the cluster ({cluster_id}) to be ready: Cluster {cluster_id} is in "
        f"unexpected state Terminated: {reason.code}({reason.type}): {told or reason.text}.",
    )


def went_away(cluster_id: str, reason: Reason) -> Ending:
    """How a run ends whose cluster went away under it."""
    if reason.type == "SUCCESS":
        message = f"Cluster {cluster_id} was terminated or restarted by a user during the run."
        return ending("CLUSTER_TERMINATED_BY_USER", message, message)
    code = {"DRIVER_UNREACHABLE": "DRIVER_ERROR", "DRIVER_NOT_RESPONDING": "DRIVER_ERROR"}.get(reason.code)
    code = code or ("CLOUD_FAILURE" if reason.type == "CLOUD_FAILURE" else "CLUSTER_ERROR")
    why = f"Reason: {reason.code} ({reason.type}). {reason.text}"
    message = f"Cluster {cluster_id} was terminated during the run. {why}"
    return ending(code, message, message)
