"""The control addresses: how a rehearsal sets the stage and looks behind it. No authentication, this machine only."""

from . import alerts, faults, pipelines, services, starts, summary, talk

OPERATIONS = (
    *summary.OPERATIONS,
    *pipelines.OPERATIONS,
    *starts.OPERATIONS,
    *faults.OPERATIONS,
    *alerts.OPERATIONS,
    *services.OPERATIONS,
    *talk.OPERATIONS,
)

__all__ = ["OPERATIONS"]
