"""The shapes in which Databricks shows clusters."""

from typing import Any

from .clusters import CORES, MEMORY_MB, Cluster

USER = "twin@example.com"


def cluster_view(cluster: Cluster, *, spec: bool = True) -> dict[str, Any]:
    """A cluster as clusters/get shows it; in the list it comes without its `spec`."""
    shown: dict[str, Any] = {
        "cluster_id": cluster.id,
        "creator_user_name": USER,
        **cluster.spec,
        "driver_healthy": cluster.up and cluster.sick is None,
        "disk_spec": {},
        "cluster_source": cluster.source,
        "enable_local_disk_encryption": False,
        "instance_source": {"node_type_id": cluster.spec.get("node_type_id")},
        "driver_instance_source": {"node_type_id": cluster.spec.get("driver_node_type_id")},
        "effective_spark_version": "16.4.x-photon-scala2.12",
        "assigned_principal": f"user:{USER}",
        "release_version": "16.4.13",
        "state": cluster.state,
        "state_message": cluster.message,
        "start_time": cluster.created,
        "last_state_loss_time": cluster.restarted_at,
        "last_activity_time": cluster.restarted_at,
        "last_restarted_time": cluster.restarted_at,
        "default_tags": {
            "Vendor": "Databricks",
            "Creator": USER,
            "ClusterName": cluster.name,
            "ClusterId": cluster.id,
            **cluster.tags,
        },
        "init_scripts_safe_mode": False,
    }
    if "autoscale" in cluster.spec:
        shown["autoscale"] = {**cluster.spec["autoscale"], "target_workers": cluster.spec["autoscale"]["min_workers"]}
    if cluster.context:
        shown["spark_context_id"] = cluster.context
    if cluster.up:
        shown |= _running(cluster)
    if cluster.state in ("TERMINATED", "TERMINATING", "ERROR") and cluster.reason:
        shown["termination_reason"] = cluster.reason.as_dict()
    if cluster.state in ("TERMINATED", "ERROR") and cluster.ended:
        shown["terminated_time"] = cluster.ended
    return shown | ({"spec": cluster.spec} if spec else {})


def _running(cluster: Cluster) -> dict[str, Any]:
    return {
        "driver": _node(cluster, 4),
        "executors": [_node(cluster, 5 + n) for n in range(cluster.workers)],
        "jdbc_port": 10000,
        "cluster_memory_mb": cluster.memory_mb,
        "cluster_cores": cluster.cores,
    }


def _node(cluster: Cluster, number: int) -> dict[str, Any]:
    return {
        "private_ip": f"10.139.64.{number}",
        "public_dns": "",
        "node_id": f"{number:032x}",
        "instance_id": f"{number:032x}",
        "start_timestamp": cluster.restarted_at,
        "node_type_id": cluster.spec.get("node_type_id"),
        "node_attributes": {"is_spot": False},
        "host_private_ip": f"10.139.0.{number}",
    }


def node_type_views() -> list[dict[str, Any]]:
    """The machines of which clusters may be made."""
    return [
        {
            "node_type_id": name,
            "instance_type_id": name,
            "memory_mb": memory,
            "num_cores": CORES.get(name, 4.0),
            "description": name,
            "category": "Memory Optimized" if name.startswith("Standard_E") else "General Purpose",
            "is_deprecated": False,
            "is_hidden": False,
            "node_info": {"status": [], "available_core_quota": 350, "total_core_quota": 350},
        }
        for name, memory in MEMORY_MB.items()
    ]
