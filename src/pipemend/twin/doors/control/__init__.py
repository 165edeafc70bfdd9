"""The control addresses: how a rehearsal sets the stage and looks behind it. No authentication, this machine only."""

from . import alerts, faults, pipelines, services, summary, talk

OPERATIONS = (
    *summary.OPERATIONS,
    *pipelines.OPERATIONS,
    *faults.OPERATIONS,
    *alerts.OPERATIONS,
    *services.OPERATIONS,
    *talk.OPERATIONS,
)

__all__ = ["OPERATIONS"]
