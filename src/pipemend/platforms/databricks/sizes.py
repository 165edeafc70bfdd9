"""How large a cluster is, and what the next size would be: more workers, or machines with more memory.

A size holds some of the fields by which a cluster's size is asked for: `num_workers` or `autoscale`, `node_type_id` and
`driver_node_type_id`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipemend.platforms.databricks.client import Json
from pipemend.platforms.databricks.runs import text

Size = Mapping[str, Any]
WORKER, DRIVER = "node_type_id", "driver_node_type_id"
WORKERS = ("num_workers", "autoscale")
# Azure's names: Standard_E8ds_v4 and Standard_E16ds_v4 are one family, the number is that of the cores.
FAMILY = re.compile(r"(Standard_[A-Z]+)\d+(.*)")
# What an error of this type lacks is memory, on its driver or on all machines; any other lacks workers.
OF_MEMORY, OF_THE_DRIVER = ("ClusterMemoryExhausted", "SparkDriverOutOfMemory"), "SparkDriverOutOfMemory"


@dataclass(frozen=True, slots=True)
class Most:
    """What a cluster may be given while a job is repaired: workers in all, and GB of memory for each machine."""

    workers: int = 16
    memory_gb: int = 128


USUAL = Most()


def next_size(error_type: str, raw: Json, offered: Sequence[Json], most: Most) -> Size | str:
    """What helps against the error: memory or workers, whichever fits it, else the other; or why there is neither."""
    memory, workers = _more_memory(error_type, raw, offered, most), _more_workers(raw, most)
    ways = (memory, workers) if error_type in OF_MEMORY else (workers, memory)
    if error_type == OF_THE_DRIVER:
        ways = (memory, memory)  # workers are no help to it
    found = next((way for way in ways if not isinstance(way, str)), None)
    return found if found is not None else "; ".join(dict.fromkeys(str(way) for way in ways))


def _more_workers(raw: Json, most: Most) -> Size | str:
    """Twice as many."""
    size = workers_of(raw)
    if size is None:
        return "it has one machine and no workers"
    have = _count(size)
    if have >= most.workers:
        return f"it has {have} workers, and no more than {most.workers} are allowed (DATABRICKS_MOST_WORKERS)"
    count, scale = min(have * 2, most.workers), size.get("autoscale")
    return {"autoscale": {**scale, "max_workers": count}} if scale else {"num_workers": count}


def _more_memory(error_type: str, raw: Json, offered: Sequence[Json], most: Most) -> Size | str:
    """The next machine of the same family."""
    if raw.get("instance_pool_id"):
        return "its machines come from a pool"
    worker = text(raw.get(WORKER))
    driver = text(raw.get(DRIVER)) or worker
    short = driver if error_type == OF_THE_DRIVER or workers_of(raw) is None else worker
    memory, family = _memory(offered), _family(short)
    if not family or short not in memory:
        return f"nothing is known of its machines ({short or 'unnamed'})"
    larger = {name: mb for name, mb in memory.items() if _family(name) == family and mb > memory[short]}
    if not larger:
        return f"{short} is the largest machine of its family"
    found = min(larger, key=lambda name: larger[name])
    if larger[found] > most.memory_gb * 1024:
        limit = f"no more than {most.memory_gb} GB are allowed (DATABRICKS_MOST_MEMORY_GB)"
        return f"{found}, the next machine after {short}, has {larger[found] // 1024} GB, and {limit}"
    return {WORKER: found if worker == short else worker, DRIVER: found if driver == short else driver}


def _memory(offered: Sequence[Json]) -> dict[str, int]:
    """Memory in MB of every machine that may be asked for, by its type."""
    return {
        name: memory
        for row in offered
        if (name := text(row.get("node_type_id")))
        and isinstance(memory := row.get("memory_mb"), int)
        and not row.get("is_deprecated")
        and not _barred(row)
    }


def _barred(row: Json) -> bool:
    """Whether the subscription or the region has none: `node_info.status` says so."""
    info = row.get("node_info")
    return bool(isinstance(info, dict) and info.get("status"))


def _family(node: str) -> tuple[str, ...]:
    found = FAMILY.fullmatch(node)
    return found.groups() if found else ()


def workers_of(raw: Json) -> dict[str, Any] | None:
    """How many workers a cluster may have, in the form in which they are asked for; None for a single machine."""
    scale = raw.get("autoscale")
    if isinstance(scale, dict):
        return {"autoscale": {name: int(scale.get(name) or 0) for name in ("min_workers", "max_workers")}}
    count = raw.get("num_workers")
    return {"num_workers": count} if isinstance(count, int) and count > 0 else None


def _count(size: Size) -> int:
    scale = size.get("autoscale")
    return int(scale["max_workers"]) if scale else int(size["num_workers"])


def same_fields(raw: Json, size: Size) -> Size:
    """The cluster's present size, as far as `size` speaks of it."""
    present = {**(workers_of(raw) or {}), WORKER: raw.get(WORKER), DRIVER: raw.get(DRIVER) or raw.get(WORKER)}
    return {name: present.get(name) for name in size}


def in_words(size: Size) -> str:
    """The size as people say it."""
    if WORKER not in size:
        return f"{_count(size)} workers"
    return f"machines of the type {size[WORKER]}" + (
        f" and a driver {size[DRIVER]}" if size[DRIVER] != size[WORKER] else ""
    )


# What `clusters/get` tells beside what `clusters/edit` takes.
OBSERVED = frozenset(
    {
        *("state", "state_message", "start_time", "terminated_time", "last_state_loss_time", "last_activity_time"),
        *("last_restarted_time", "driver", "executors", "spark_context_id", "jdbc_port", "cluster_memory_mb"),
        *("cluster_cores", "default_tags", "creator_user_name", "cluster_source", "disk_spec", "driver_healthy"),
        *("termination_reason", "init_scripts_safe_mode", "spec", "effective_spark_version", "release_version"),
        *("instance_source", "driver_instance_source", "assigned_principal", "cluster_log_status"),
        *("enable_local_disk_encryption_status",),
    }
)


def specification(raw: Json, size: Size) -> dict[str, Any]:
    """The whole definition of a cluster with this size: an edit replaces all of it."""
    whole = {name: value for name, value in raw.items() if name not in (*OBSERVED, *WORKERS) and value is not None}
    present = workers_of(raw) or {"num_workers": 0}
    return {**whole, **present, **{name: value for name, value in size.items() if value is not None}}
