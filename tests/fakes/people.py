"""Somebody who is told, and somebody who explains."""

from pipemend.core.alert import Door
from pipemend.core.errors import NoAnswer, OutsideError
from pipemend.core.ports import Digest, Limits, News, Receipt
from pipemend.core.rca import UNCLASSIFIED, Diagnosis, Failure, History, Remediable, Severity

KNOWN = {
    "GatewayTimeout": (Remediable.YES, Severity.MEDIUM),
    "ThrottlingError": (Remediable.YES, Severity.MEDIUM),
    "DataConversionError": (Remediable.NO, Severity.HIGH),
    "ServerBusy": (Remediable.YES, Severity.MEDIUM),
}


class Listener:
    """Remembers what it was told. `deaf`: the errors it answers with; over one ticket it may break for ever."""

    doors: tuple[Door, ...] = ()
    limits = Limits()

    def __init__(self, name: str = "slack") -> None:
        self.name = name
        self.told: list[News] = []
        self.digests: list[Digest] = []
        self.deaf: list[OutsideError] = []
        self.breaks_over: str | None = None

    async def tell(self, news: News, receipt: Receipt | None) -> Receipt | None:
        if self.deaf:
            raise self.deaf.pop(0)
        if news.ticket.id == self.breaks_over:
            raise NoAnswer("it never comes back")
        self.told.append(news)
        return receipt or Receipt({"channel": "C1", "ts": f"{news.id}.0"})

    async def sum_up(self, digest: Digest, receipt: Receipt | None) -> Receipt | None:
        if self.deaf:
            raise self.deaf.pop(0)
        self.digests.append(digest)
        return receipt or Receipt({"channel": "C1", "ts": f"{digest.id}.0"})

    async def close(self) -> None:
        return None

    @property
    def words(self) -> list[str]:
        return [news.event.name for news in self.told]


class CodeAnalyzer:
    """Takes the fault's code for the error type."""

    async def diagnose(self, failure: Failure, past: History) -> Diagnosis:
        code = failure.fault.code
        remediable, severity = KNOWN.get(code, (Remediable.NO, Severity.MEDIUM))
        return Diagnosis(
            error_type=code if code in KNOWN else UNCLASSIFIED,
            remediable=remediable,
            severity=severity,
            root_cause=f"The activity failed with {code}.",
            recommendations=("Look at the source.",),
            confidence=0.95,
            sure=code in KNOWN,
            fingerprint=code,
        )
