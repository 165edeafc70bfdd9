"""The action group: every failed run that its pipeline wants told is posted to one webhook."""

from dataclasses import dataclass, field

from .alert_shapes import resolved, tell
from .clock import Timers, now
from .data_factory.model import Estate, Run
from .databricks.azure_alert import cluster_alert
from .databricks.clusters import Cluster
from .post import Delivery, Postman


@dataclass(frozen=True)
class Receiver:
    """Where alerts go, and the pauses before each repetition. `clusters` are told when they go down, too."""

    url: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    retry_seconds: tuple[float, ...] = (0.2, 0.5, 1.0)
    clusters: bool = False


class ActionGroup:
    def __init__(self, timers: Timers, estate: Estate, post: Postman) -> None:
        self.receiver = Receiver()
        self.post = post
        self._timers = timers
        self._estate = estate

    def hear(self, run: Run) -> None:
        """A run has ended. Debug runs never raise alerts."""
        plan = run.pipeline.plan
        if run.status == "Failed" and not run.debug and plan.alert != "none":
            self._timers.after(plan.delay, lambda: self._fire(run))

    def hear_cluster(self, event: str, workspace: str, cluster: Cluster) -> None:
        """A cluster of Databricks has started, failed to, or gone down by itself."""
        receiver = self.receiver
        if receiver.clusters and receiver.url is not None and event != "cluster.started":
            about = {"workspace": workspace, "cluster_id": cluster.id, "shape": event}
            body = cluster_alert(workspace, cluster, now())
            self.post.send(receiver.url, dict(receiver.headers), body, about, receiver.retry_seconds)

    def again(self, n: int) -> Delivery | None:
        """The same body once more, byte for byte."""
        if not 1 <= n <= len(self.post.deliveries):
            return None
        old = self.post.deliveries[n - 1]
        about = {**old.about, "again": old.n}
        return self.post.send(old.url, old.headers, old.body, about, self.receiver.retry_seconds)

    def _fire(self, run: Run) -> None:
        plan = run.pipeline.plan
        alert = tell(self._estate, run, now())
        if alert is None or self.receiver.url is None:
            return
        for copy in range(plan.copies):
            self._send(run, alert, copy=copy)
        if plan.resolve_after is not None:
            self._timers.after(plan.resolve_after, lambda: self._resolve(run, alert))

    def _resolve(self, run: Run, alert: dict[str, object]) -> None:
        end = resolved(alert, now())
        if end is not None:
            self._send(run, end, resolved=True)

    def _send(self, run: Run, body: dict[str, object], **more: object) -> None:
        receiver = self.receiver
        about = {"pipeline": run.pipeline.name, "run_id": run.id, "shape": run.pipeline.plan.alert, **more}
        if receiver.url is not None:
            self.post.send(receiver.url, dict(receiver.headers), body, about, receiver.retry_seconds)
