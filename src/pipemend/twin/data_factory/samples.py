"""Plans from pipelines as they are deployed: those that fail on purpose, by a Fail activity.

One inside an If Condition fails the first run and no other; one that stands alone fails every run. Anything else is
refused.
"""

from collections.abc import Mapping
from typing import Any

from .failures import ActivityError
from .plans import BadPlan, Outcome, Plan

PIPELINES = "Microsoft.DataFactory/factories/pipelines"


def plan_of(template: Any) -> Plan:
    """The plan of the one pipeline in a template. Raises BadPlan."""
    resources = template.get("resources", ()) if isinstance(template, dict) else ()
    found = [one for one in resources if one.get("type") == PIPELINES]
    if len(found) != 1:
        raise BadPlan(f"definition: a template with one pipeline is due, not {len(found)}")
    activities = found[0].get("properties", {}).get("activities", [])
    if len(activities) != 1:
        raise BadPlan(f"definition: one activity is due, not {len(activities)}")
    if activities[0].get("type") == "IfCondition":
        return Plan(outcomes=(_failure(activities[0]["typeProperties"]["ifTrueActivities"][0]), Outcome()))
    return Plan(outcomes=(_failure(activities[0]),))


def _failure(activity: Mapping[str, Any]) -> Outcome:
    if activity.get("type") != "Fail":
        raise BadPlan(f"definition: the twin does not know activities of the type {activity.get('type')!r}")
    said = activity["typeProperties"]
    error = ActivityError(str(said["errorCode"]), str(said["message"]), activity_type="Fail", target=activity["name"])
    return Outcome("Failed", error)
