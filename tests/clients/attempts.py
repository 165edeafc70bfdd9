"""Attempts for tests."""

from datetime import UTC, datetime
from typing import Any

from pipemend.core.attempt import Attempt, AttemptStatus

CALLED = datetime(2026, 11, 24, 10, 15, tzinfo=UTC)
RESOURCE = "/subscriptions/s/resourcegroups/rg/providers/microsoft.datafactory/factories/adf"


def attempt(**more: Any) -> Attempt:
    told: dict[str, Any] = {
        "id": 1,
        "key": "ADF-20261124T101500-1f496d07ab-2",
        "ticket_id": "ADF-20261124T101500-1f496d07ab",
        "platform": "data_factory",
        "resource": RESOURCE,
        "resource_name": "adf",
        "pipeline": "nightly-load",
        "original_run_id": "run-original",
        "reference_run_id": "run-latest",
        "run_group_id": "run-original",
        "remediation_run_id": None,
        "attempt_number": 2,
        "max_retries": 3,
        "status": AttemptStatus.STARTING,
        "error_type": "GatewayTimeout",
        "remediation_action": "retry_pipeline",
        "via": "direct",
        "stage": None,
        "created_at": CALLED,
        "started_at": CALLED,
        "completed_at": None,
        "duration_seconds": None,
        "failure_reason": None,
        "logic_app_response": None,
        "by": "AI_AUTO_HEAL",
        "due_at": None,
        "deadline": None,
        "revision": 1,
        "stumbles": 0,
        "owner": None,
    }
    return Attempt(**{**told, **more})
