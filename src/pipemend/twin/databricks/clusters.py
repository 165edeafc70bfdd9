"""Clusters: what each is made of, the state it is in, and what has happened to it."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .libraries import Shelf
from .reasons import Reason

MEMORY_MB = {
    "Standard_DS3_v2": 14336,
    "Standard_DS4_v2": 28672,
    "Standard_DS5_v2": 57344,
    "Standard_D4s_v3": 16384,
    "Standard_D8s_v3": 32768,
    "Standard_D16s_v3": 65536,
    "Standard_D32s_v3": 131072,
    "Standard_D64s_v3": 262144,
    "Standard_E8s_v3": 65536,
    "Standard_E16s_v3": 131072,
}
CORES = {
    "Standard_DS4_v2": 8.0,
    "Standard_DS5_v2": 16.0,
    "Standard_D8s_v3": 8.0,
    "Standard_D16s_v3": 16.0,
    "Standard_D32s_v3": 32.0,
    "Standard_D64s_v3": 64.0,
    "Standard_E8s_v3": 8.0,
    "Standard_E16s_v3": 16.0,
}
USUAL_NODE = "Standard_D4s_v3"
SPEC: dict[str, Any] = {
    "spark_version": "16.4.x-scala2.12",
    "node_type_id": USUAL_NODE,
    "driver_node_type_id": USUAL_NODE,
    "num_workers": 2,
    "autotermination_minutes": 30,
    "azure_attributes": {"first_on_demand": 1, "availability": "SPOT_WITH_FALLBACK_AZURE", "spot_bid_max_price": -1.0},
    "enable_elastic_disk": True,
    "data_security_mode": "LEGACY_SINGLE_USER_STANDARD",
    "single_user_name": "twin@example.com",
    "runtime_engine": "PHOTON",
}
KEPT_EVENTS = 1000


def milliseconds() -> int:
    return int(time.time() * 1000)


@dataclass(frozen=True)
class Habits:
    """What a cluster is told to do. `starts` are what its successive starts come to: None means it comes up.

    `autostart` says whether a run may start it; `ends_in` is the state after a start that failed.
    """

    starts: tuple[Reason | None, ...] = (None,)
    start_seconds: float = 0.1
    stop_seconds: float = 0.02
    autostart: bool = True
    ends_in: str = "TERMINATED"

    def start(self, number: int) -> Reason | None:
        """Of the start with this number, counted from 0; the last repeats."""
        return self.starts[min(number, len(self.starts) - 1)]


@dataclass
class Cluster:
    id: str
    spec: dict[str, Any]
    libraries: Shelf
    habits: Habits = Habits()
    source: str = "UI"
    tags: dict[str, str] = field(default_factory=dict)
    state: str = "TERMINATED"
    message: str = ""
    reason: Reason | None = None
    sick: Reason | None = None
    created: int = field(default_factory=milliseconds)
    started: int = 0
    ended: int = 0
    context: int | None = None
    starts: int = 0
    restarted_at: int = 0
    deleted: bool = False
    events: list[dict[str, Any]] = field(default_factory=list)
    timer: asyncio.TimerHandle | None = None
    waiting: list[Callable[[Reason | None], None]] = field(default_factory=list)
    occupants: dict[int, Callable[[Reason], None]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return str(self.spec["cluster_name"])

    @property
    def up(self) -> bool:
        return self.state in ("RUNNING", "RESIZING")

    @property
    def on_the_way(self) -> bool:
        return self.state in ("PENDING", "RESTARTING")

    @property
    def workers(self) -> int:
        """How many workers it may have: a cluster that scales by itself counts with its upper limit."""
        scale = self.spec.get("autoscale")
        return int(scale["max_workers"] if scale else self.spec.get("num_workers") or 0)

    @property
    def memory_mb(self) -> int:
        node = MEMORY_MB.get(str(self.spec.get("node_type_id")), MEMORY_MB[USUAL_NODE])
        driver = MEMORY_MB.get(str(self.spec.get("driver_node_type_id") or self.spec.get("node_type_id")), node)
        return driver + node * self.workers

    @property
    def cores(self) -> float:
        return CORES.get(str(self.spec.get("node_type_id")), 4.0) * (self.workers + 1)

    def happened(self, kind: str, **details: Any) -> None:
        """Writes an event down, as clusters/events shows it."""
        event = {"cluster_id": self.id, "timestamp": milliseconds(), "type": kind}
        self.events.append(event | ({"details": details} if details else {}))
        del self.events[:-KEPT_EVENTS]
