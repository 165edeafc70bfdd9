"""Playbooks: what to do about an error type on a platform. Data, checked at start."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from pipemend.core.freeze import Window
from pipemend.core.rca import UNCLASSIFIED, Diagnosis, Remediable
from pipemend.core.route import NO_ROUTE, Route

# What a machine can do about a failure. An analyzer's `none` means: nothing.
ACTIONS = frozenset(
    {
        "retry_pipeline",
        "retry_job",
        "restart_cluster",
        "scale_up_cluster",
        "reinstall_libraries",
        "check_upstream",
        "refresh_linked_service",
    }
)

# The closed vocabulary that joins failures and playbooks.
ERROR_TYPES = frozenset(
    {
        "GatewayTimeout",
        "HttpConnectionFailed",
        "ThrottlingError",
        "DatabricksClusterStartFailure",
        "ClusterMemoryExhausted",
        "LibraryInstallationFailed",
        "DatabricksJobExecutionError",
        "UserErrorSourceBlobNotExists",
        "LinkedServiceError",
        "DataFactoryTimeout",
        "SqlTransientError",
        "SqlDeadlock",
        "ServerBusy",
        "InternalServerError",
        "IntegrationRuntimeOffline",
        "IntegrationRuntimeError",
        "AuthenticationFailed",
        "PermissionDenied",
        "NetworkBlocked",
        "NameResolutionFailed",
        "CertificateError",
        "InvalidConfiguration",
        "SchemaMismatch",
        "DataConversionError",
        "DataFormatError",
        "ConstraintViolation",
        "SqlQueryError",
        "ObjectNotFound",
        "ExpressionError",
        "ConcurrentWriteConflict",
        "CloudQuotaExceeded",
        "CloudCapacityUnavailable",
        "SpotInstanceReclaimed",
        "InitScriptFailure",
        "NotebookError",
        "SparkDriverOutOfMemory",
        "DriverUnavailable",
        "SparkExecutorLost",
        "ClusterTerminated",
        "DiskSpaceExhausted",
        "RunCancelled",
        "ResourceLimitExceeded",
        "HttpClientError",
        "JobTimeout",
        UNCLASSIFIED,
    }
)

# Actions that test or make the condition under which a conditional error heals.
CONDITION_MAKERS = frozenset(
    {
        "check_upstream",
        "restart_cluster",
        "scale_up_cluster",
        "reinstall_libraries",
        "refresh_linked_service",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Playbook:
    """One entry. `max_retries` attempts; waits in seconds: before attempt 1 `initial_delay_seconds`, before n
    `backoff_seconds[n-2]`, the last value repeating."""

    error_type: str
    action: str
    max_retries: int = 3
    backoff_seconds: tuple[float, ...] = (30, 60, 120)
    initial_delay_seconds: float = 0
    risk: str = "low"
    approval: bool = False
    deadline_seconds: float | None = None

    def wait_before(self, number: int, jitter: float = 0.0) -> float:
        """Seconds to wait before attempt `number`, prolonged by up to a tenth (`jitter` from 0 to 1)."""
        if number <= 1 or not self.backoff_seconds:
            wait = self.initial_delay_seconds
        else:
            wait = self.backoff_seconds[min(number - 2, len(self.backoff_seconds) - 1)]
        return wait * (1 + 0.1 * jitter)


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineRule:
    """What may be done to the pipelines whose `factory/name` fits `match`: `auto`, `ask` or `never`.

    `upstream`: the `factory/name` of those whose output they read, and the addresses of blobs. `downstream`: who reads
    theirs, in any words. `max_repairs_per_day` is for each pipeline alone. `masked`: what becomes of failures in runs
    that went well: `ignore`, `list` or `ticket`; None: as the platform goes.
    """

    match: str = "*"
    rerun: str = "auto"
    upstream: tuple[str, ...] = ()
    downstream: tuple[str, ...] = ()
    freeze: tuple[Window, ...] = ()
    max_retries: int | None = None
    max_repairs_per_day: int | None = None
    deadline_seconds: float | None = None
    severity: str | None = None
    team: str | None = None
    owner: str | None = None
    cost_center: str | None = None
    masked: str | None = None


DEFAULT_RULE = PipelineRule()


@dataclass(frozen=True, slots=True)
class Playbooks:
    """All playbooks, by error type and platform (None: any), and the rules for single pipelines, first match first.

    `origins` says of entries which fields are not built in: whose file or setting they come from.
    `freeze` holds for every pipeline, beside its own windows. `routes`: who is told about them, first match first.
    """

    entries: Mapping[tuple[str, str | None], Playbook] = field(default_factory=dict)
    pipelines: tuple[PipelineRule, ...] = ()
    freeze: tuple[Window, ...] = ()
    routes: tuple[Route, ...] = ()
    origins: Mapping[tuple[str, str | None], Mapping[str, str]] = field(default_factory=dict)

    def find(self, error_type: str | None, platform: str) -> Playbook | None:
        if error_type is None:
            return None
        return self.entries.get((error_type, platform)) or self.entries.get((error_type, None))

    def rule_for(self, resource_name: str, pipeline: str) -> PipelineRule:
        """The first rule that fits; upper and lower case count as the same."""
        name = f"{resource_name}/{pipeline}".lower()
        return next(
            (rule for rule in self.pipelines if fnmatchcase(name, rule.match.lower())),
            DEFAULT_RULE,
        )

    def route_for(self, resource_name: str, pipeline: str, team: str | None) -> Route:
        """The first route that fits."""
        return next((route for route in self.routes if route.fits(f"{resource_name}/{pipeline}", team)), NO_ROUTE)

    def route_named(self, name: str) -> Route:
        """The route of this name; one that is gone by now leaves everything to the settings."""
        return next((route for route in self.routes if route.name == name), NO_ROUTE)

    def downstream_of(self, resource_name: str, pipeline: str) -> tuple[str, ...]:
        """Who reads what the pipeline writes: as its own rule says, and all whose rules name it as their upstream."""
        name = f"{resource_name}/{pipeline}".lower()
        readers = (rule.match for rule in self.pipelines if name in (up.lower() for up in rule.upstream))
        return tuple(dict.fromkeys((*self.rule_for(resource_name, pipeline).downstream, *readers)))


def auto_heal_possible(diagnosis: Diagnosis, playbook: Playbook | None) -> bool:
    """Whether a machine may try: a clear yes, or a condition that the playbook tests, makes or waits for."""
    if diagnosis.remediable is Remediable.YES:
        return True
    if diagnosis.remediable is Remediable.NO or playbook is None:
        return False
    return playbook.action in CONDITION_MAKERS or bool(playbook.backoff_seconds) or playbook.approval
