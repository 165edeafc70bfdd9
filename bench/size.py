"""How large a benchmark is. `SMALL` only shows that it runs; its figures mean nothing."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    tickets: int = 100_000  # stored before anything is measured
    times: int = 5  # how often the same is measured
    seconds: float = 5.0  # how long one measurement of a rate takes
    many: int = 10_000  # alerts of a burst, reruns in flight
    repairs: int = 500


SMALL = Size(tickets=0, times=1, seconds=0.2, many=20, repairs=5)
