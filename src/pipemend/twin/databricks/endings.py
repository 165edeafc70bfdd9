"""How runs end: in the older words, in the newer ones, and in the output of the task."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Ending:
    """`life`, `result` and `message` are the older state; `code` and `kind` the newer termination details.

    `error` and `trace` are what get-output shows.
    """

    life: str = "TERMINATED"
    result: str | None = "SUCCESS"
    code: str = "SUCCESS"
    kind: str = "SUCCESS"
    message: str = ""
    error: str | None = None
    trace: str | None = None

    @property
    def good(self) -> bool:
        return self.result in ("SUCCESS", "SUCCESS_WITH_FAILURES")

    @property
    def skipped(self) -> bool:
        return self.result in ("UPSTREAM_FAILED", "UPSTREAM_CANCELED", "EXCLUDED", "DISABLED")

    @property
    def failed(self) -> bool:
        return not self.good and not self.skipped and self.result != "CANCELED"


class BadEnding(ValueError):
    """An ending cannot be read; the message says why."""


# The kinds are those of the real service's answers where one was seen, else what the code's description suggests.
CODES: dict[str, tuple[str, str, str]] = {
    "SUCCESS": ("TERMINATED", "SUCCESS", "SUCCESS"),
    "SUCCESS_WITH_FAILURES": ("TERMINATED", "SUCCESS_WITH_FAILURES", "SUCCESS"),
    "USER_CANCELED": ("TERMINATED", "CANCELED", "SUCCESS"),
    "CANCELED": ("TERMINATED", "CANCELED", "CLIENT_ERROR"),
    "SKIPPED": ("SKIPPED", "EXCLUDED", "SUCCESS"),
    "INTERNAL_ERROR": ("INTERNAL_ERROR", "FAILED", "INTERNAL_ERROR"),
    "DRIVER_ERROR": ("INTERNAL_ERROR", "FAILED", "CLIENT_ERROR"),
    "CLUSTER_ERROR": ("INTERNAL_ERROR", "FAILED", "CLIENT_ERROR"),
    "CLUSTER_TERMINATED_BY_USER": ("INTERNAL_ERROR", "FAILED", "CLIENT_ERROR"),
    "REPOSITORY_CHECKOUT_FAILED": ("INTERNAL_ERROR", "FAILED", "CLIENT_ERROR"),
    "INVALID_CLUSTER_REQUEST": ("INTERNAL_ERROR", "FAILED", "CLIENT_ERROR"),
    "WORKSPACE_RUN_LIMIT_EXCEEDED": ("INTERNAL_ERROR", "FAILED", "CLIENT_ERROR"),
    "FEATURE_DISABLED": ("INTERNAL_ERROR", "FAILED", "CLIENT_ERROR"),
    "CLUSTER_REQUEST_LIMIT_EXCEEDED": ("INTERNAL_ERROR", "FAILED", "CLIENT_ERROR"),
    "STORAGE_ACCESS_ERROR": ("INTERNAL_ERROR", "FAILED", "CLIENT_ERROR"),
    "RUN_EXECUTION_ERROR": ("TERMINATED", "FAILED", "CLIENT_ERROR"),
    "UNAUTHORIZED_ERROR": ("INTERNAL_ERROR", "FAILED", "CLIENT_ERROR"),
    "LIBRARY_INSTALLATION_ERROR": ("INTERNAL_ERROR", "FAILED", "CLIENT_ERROR"),
    "MAX_CONCURRENT_RUNS_EXCEEDED": ("SKIPPED", "MAXIMUM_CONCURRENT_RUNS_REACHED", "CLIENT_ERROR"),
    "MAX_SPARK_CONTEXTS_EXCEEDED": ("INTERNAL_ERROR", "FAILED", "CLIENT_ERROR"),
    "RESOURCE_NOT_FOUND": ("INTERNAL_ERROR", "FAILED", "CLIENT_ERROR"),
    "INVALID_RUN_CONFIGURATION": ("INTERNAL_ERROR", "FAILED", "CLIENT_ERROR"),
    "CLOUD_FAILURE": ("INTERNAL_ERROR", "FAILED", "CLOUD_FAILURE"),
    "MAX_JOB_QUEUE_SIZE_EXCEEDED": ("SKIPPED", "MAXIMUM_CONCURRENT_RUNS_REACHED", "CLIENT_ERROR"),
    "DISABLED": ("SKIPPED", "DISABLED", "SUCCESS"),
    "BREAKING_CHANGE": ("INTERNAL_ERROR", "FAILED", "CLIENT_ERROR"),
    "BUDGET_POLICY_LIMIT_EXCEEDED": ("INTERNAL_ERROR", "FAILED", "CLIENT_ERROR"),
}
OUTPUT = "Workload failed, see run output for details"


def ending(code: str, message: str = "", error: str | None = None, trace: str | None = None) -> Ending:
    """The ending that usually goes with a termination code. Raises BadEnding for a code nobody has published."""
    if code not in CODES:
        raise BadEnding(f"unknown termination code {code!r}; known: {', '.join(CODES)}")
    life, result, kind = CODES[code]
    return Ending(life, result, code, kind, message, error, trace)


def raised(error: str, last: str) -> Ending:
    """A notebook that raised: the state says little, the output all, with the colours of a terminal in its trace."""
    name, _, said = error.partition(":")
    red, green, plain = "\x1b[0;31m", "\x1b[0;32m", "\x1b[0m"
    trace = (
        f"{red}{'-' * 75}{plain}\n{red}{name}{plain}{'':28}Traceback (most recent call last)\n"
        f"File {green}<command-3817021204871923>, line 4{plain}\n"
        f"      2 from pyspark.sql import functions as F\n{green}----> 4{plain} {last}\n\n{red}{name}{plain}:{said}"
    )
    return ending("RUN_EXECUTION_ERROR", OUTPUT, error, trace)


SUCCESS = Ending()
CANCELLED = replace(ending("USER_CANCELED"), message="Run cancelled.")
UPSTREAM_FAILED = Ending("SKIPPED", "UPSTREAM_FAILED", "SKIPPED", "CLIENT_ERROR", "An upstream task failed.")
UPSTREAM_CANCELED = Ending("SKIPPED", "UPSTREAM_CANCELED", "SKIPPED", "CLIENT_ERROR", "An upstream task was canceled.")
EXCLUDED = Ending("SKIPPED", "EXCLUDED", "SKIPPED", "SUCCESS", "The condition of the task was not met.")
TOO_MANY = ending("MAX_CONCURRENT_RUNS_EXCEEDED", "This run was skipped: the limit of concurrent runs was reached.")


def read_ending(item: Mapping[str, Any]) -> Ending:
    """An ending out of `code` and whatever else is said, `life`, `result` and `kind` included. Raises BadEnding."""
    known = set(Ending.__dataclass_fields__)
    strange = set(item) - known
    if strange:
        raise BadEnding(f"unknown: {', '.join(sorted(strange))}; known: {', '.join(sorted(known))}")
    usual = ending(str(item.get("code", "RUN_EXECUTION_ERROR")), OUTPUT)
    return replace(usual, **{name: value for name, value in item.items() if name != "code"})
