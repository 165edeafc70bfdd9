"""The control addresses: how a rehearsal sets the stage and looks behind it. No authentication, this machine only."""

from . import (
    alerts,
    blobs,
    clusters,
    faults,
    issues,
    jobs,
    pipelines,
    presses,
    services,
    starts,
    summary,
    talk,
    workspaces,
)

OPERATIONS = (
    *summary.OPERATIONS,
    *pipelines.OPERATIONS,
    *starts.OPERATIONS,
    *workspaces.OPERATIONS,
    *jobs.OPERATIONS,
    *clusters.OPERATIONS,
    *faults.OPERATIONS,
    *alerts.OPERATIONS,
    *blobs.OPERATIONS,
    *services.OPERATIONS,
    *talk.OPERATIONS,
    *issues.OPERATIONS,
    *presses.OPERATIONS,
)

__all__ = ["OPERATIONS"]
