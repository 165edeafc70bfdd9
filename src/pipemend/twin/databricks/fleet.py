"""How clusters live: they start or fail to, grow, restart, and go away under those who use them."""

import secrets
import string
from collections.abc import Callable
from typing import Any

from ..clock import Timers, now
from .clusters import SPEC, Cluster, milliseconds
from .libraries import Shelf
from .reasons import USER, Reason

ACQUIRING = "Finding instances for new nodes, acquiring more instances if necessary"
RESTART_SEEN_SECONDS = 0.05


class Fleet:
    """Moves clusters on. `tell` hears of each that has started, failed to, or gone down by itself."""

    def __init__(self, timers: Timers, tell: Callable[[str, Cluster], None]) -> None:
        self._timers = timers
        self._tell = tell
        self.clusters: dict[str, Cluster] = {}

    def make(self, name: str, spec: dict[str, Any] | None = None, source: str = "UI") -> Cluster:
        """A new cluster, not started."""
        letters = "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(8))
        cluster_id = f"{now():%m%d-%H%M%S}-{letters}"
        whole = {**SPEC, **(spec or {}), "cluster_name": name}
        cluster = Cluster(cluster_id, whole, Shelf(self._timers), source=source)
        if "autoscale" in cluster.spec and "num_workers" not in (spec or {}):
            cluster.spec.pop("num_workers", None)
        cluster.happened("CREATING", user="twin@example.com")
        self.clusters[cluster_id] = cluster
        return cluster

    def put(self, cluster: Cluster, state: str) -> None:
        """RUNNING or TERMINATED at once, as a rehearsal wishes."""
        self._throw_off(cluster, USER)
        if state == "RUNNING":
            cluster.sick, cluster.reason = None, None
            self._arrive(cluster, None)
        else:
            cluster.reason = cluster.reason or USER
            self._down(cluster, state, None)

    def named(self, name: str) -> Cluster | None:
        """By id or by name; of several with one name the newest."""
        by_name = (one for one in reversed(self.clusters.values()) if one.name == name and not one.deleted)
        return self.clusters.get(name) or next(by_name, None)

    def start(self, cluster: Cluster) -> None:
        cluster.happened("STARTING", user="twin@example.com")
        self._launch(cluster, "PENDING", ACQUIRING)

    def restart(self, cluster: Cluster) -> None:
        """Throws off whoever uses it and comes up again."""
        cluster.happened("RESTARTING", user="twin@example.com")
        self._throw_off(cluster, USER)
        cluster.libraries.down()
        self._launch(cluster, "RESTARTING", "Restarting the cluster", RESTART_SEEN_SECONDS)

    def resize(self, cluster: Cluster, size: dict[str, Any]) -> None:
        """A new number of workers while it runs; those who use it stay."""
        self._put_size(cluster, size)
        cluster.happened("RESIZING", cause="USER_REQUEST", target_num_workers=cluster.workers)
        self._move(cluster, "RESIZING", ACQUIRING)
        cluster.timer = self._timers.after(cluster.habits.start_seconds, lambda: self._resized(cluster))

    def edit(self, cluster: Cluster, spec: dict[str, Any]) -> None:
        """Replaces the whole specification; one that runs is restarted."""
        previous = {"num_workers": cluster.workers}
        cluster.spec = {name: value for name, value in spec.items() if value is not None}
        cluster.happened("EDITED", previous_attributes=previous, attributes={"num_workers": cluster.workers})
        if cluster.up:
            self.restart(cluster)

    def terminate(self, cluster: Cluster, reason: Reason, *, told: bool = False) -> None:
        """Takes it down, whoever uses it. `told` is for what nobody wanted: the destination hears of it."""
        if cluster.state in ("TERMINATED", "TERMINATING", "ERROR"):
            return
        cluster.reason, was_coming = reason, cluster.on_the_way
        cluster.happened("TERMINATING", reason=reason.as_dict())
        self._move(cluster, "TERMINATING", _sentence(reason))
        self._throw_off(cluster, reason)
        self._answer(cluster, reason)
        event = "cluster.failed_to_start" if was_coming else "cluster.terminated"
        cluster.timer = self._timers.after(
            cluster.habits.stop_seconds, lambda: self._down(cluster, "TERMINATED", event if told else None)
        )

    def sicken(self, cluster: Cluster, reason: Reason) -> None:
        """It stays up, but whoever uses it fails with this reason until it is restarted."""
        cluster.sick = reason
        cluster.happened("DRIVER_NOT_RESPONDING")
        self._throw_off(cluster, reason)

    def forget(self, cluster: Cluster) -> None:
        """Deletes it for good."""
        self.terminate(cluster, USER)
        cluster.deleted = True

    def when_ready(self, cluster: Cluster, then: Callable[[Reason | None], None]) -> None:
        """Calls `then` once it is up, or with the reason why it does not come up."""
        if cluster.up:
            then(None)
        elif cluster.deleted or (not cluster.on_the_way and not cluster.habits.autostart):
            then(cluster.reason or USER)
        else:
            cluster.waiting.append(then)
            if cluster.state in ("TERMINATED", "ERROR"):
                self.start(cluster)

    def _launch(self, cluster: Cluster, state: str, message: str, extra: float = 0.0) -> None:
        cluster.sick, cluster.reason = None, None
        self._move(cluster, state, message)
        number, cluster.starts = cluster.starts, cluster.starts + 1
        seconds = cluster.habits.start_seconds + extra
        cluster.timer = self._timers.after(seconds, lambda: self._arrive(cluster, cluster.habits.start(number)))

    def _arrive(self, cluster: Cluster, failure: Reason | None) -> None:
        if failure is not None:
            self._fail(cluster, failure)
            return
        cluster.started = cluster.started or milliseconds()
        cluster.restarted_at = milliseconds()
        cluster.context = secrets.randbelow(9 * 10**18) + 10**17
        self._move(cluster, "RUNNING", "")
        cluster.happened("RUNNING", current_num_workers=cluster.workers, target_num_workers=cluster.workers)
        cluster.happened("DRIVER_HEALTHY")
        cluster.libraries.start()
        self._tell("cluster.started", cluster)
        self._answer(cluster, None)

    def _fail(self, cluster: Cluster, reason: Reason) -> None:
        cluster.reason = reason
        cluster.happened("TERMINATING", reason=reason.as_dict())
        self._answer(cluster, reason)
        self._down(cluster, cluster.habits.ends_in, "cluster.failed_to_start")

    def _down(self, cluster: Cluster, state: str, event: str | None) -> None:
        cluster.ended, cluster.context = milliseconds(), None
        cluster.libraries.down()
        reason = cluster.reason or USER
        self._move(cluster, state, _sentence(reason))
        if event:
            self._tell(event, cluster)
        if cluster.waiting:
            self.start(cluster)

    def _resized(self, cluster: Cluster) -> None:
        self._move(cluster, "RUNNING", "")
        cluster.happened("UPSIZE_COMPLETED", current_num_workers=cluster.workers, target_num_workers=cluster.workers)

    def _put_size(self, cluster: Cluster, size: dict[str, Any]) -> None:
        for name in ("num_workers", "autoscale"):
            cluster.spec.pop(name, None)
        cluster.spec |= size

    def _move(self, cluster: Cluster, state: str, message: str) -> None:
        self._timers.cancel(cluster.timer)
        cluster.timer, cluster.state, cluster.message = None, state, message

    def _throw_off(self, cluster: Cluster, reason: Reason) -> None:
        for lose in list(cluster.occupants.values()):
            lose(reason)
        cluster.occupants.clear()

    def _answer(self, cluster: Cluster, reason: Reason | None) -> None:
        waiting, cluster.waiting = cluster.waiting, []
        for then in waiting:
            then(reason)


def _sentence(reason: Reason) -> str:
    if reason.code == "INACTIVITY":
        return f"Inactive cluster terminated (inactive for {reason.parameters['inactivity_duration_min']} minutes)."
    return "" if reason.type == "SUCCESS" else reason.text
