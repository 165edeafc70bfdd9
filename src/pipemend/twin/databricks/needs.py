"""What a task needs to do well, looked at when it runs."""

from collections.abc import Callable
from dataclasses import dataclass

from .clusters import Cluster
from .endings import Ending
from .failures import NAMED, on_cluster
from .jobs import Job, Needs

Since = Callable[[str, float], bool]


@dataclass(frozen=True)
class Ground:
    """Where a task runs, and how to ask whether other work has succeeded since a moment."""

    job: Job
    cluster: Cluster
    pipeline_succeeded: Since
    job_succeeded: Since


def missing(needs: Needs, ground: Ground) -> Ending | None:
    """How the task fails for want of something; None when it has all."""
    name = next((name for name, lacks in _LACKS if lacks(needs, ground)), None)
    if name is None:
        return None
    return on_cluster(needs.error or NAMED[name], ground.cluster.id)


def _too_small(needs: Needs, ground: Ground) -> bool:
    cluster = ground.cluster
    return cluster.workers < (needs.workers or 0) or cluster.memory_mb < (needs.memory_mb or 0)


def _not_restarted(needs: Needs, ground: Ground) -> bool:
    return needs.restarted and ground.cluster.restarted_at < ground.job.told_at * 1000


def _libraries_lack(needs: Needs, ground: Ground) -> bool:
    return needs.libraries and not all(one.usable for one in ground.cluster.libraries.libraries.values())


def _upstream_lacks(needs: Needs, ground: Ground) -> bool:
    since = ground.job.told_at
    return bool(
        (needs.pipeline and not ground.pipeline_succeeded(needs.pipeline, since))
        or (needs.job and not ground.job_succeeded(needs.job, since))
    )


_LACKS: tuple[tuple[str, Callable[[Needs, Ground], bool]], ...] = (
    ("DriverNotResponding", _not_restarted),
    ("ModuleNotFound", _libraries_lack),
    ("DriverOutOfMemory", _too_small),
    ("FileNotFound", _upstream_lacks),
)
