"""A storage account: which blobs are there, and whether our identity has a role that may read them."""

from dataclasses import dataclass, field
from datetime import UTC, datetime


@dataclass(frozen=True)
class Rights:
    """`role`: it has one; `network`: the rules of the account let it in."""

    role: bool = True
    network: bool = True


@dataclass
class Storage:
    rights: Rights = field(default_factory=Rights)
    blobs: dict[str, datetime] = field(default_factory=dict)  # by container/path, since when

    def put(self, name: str) -> None:
        self.blobs[name] = datetime.now(UTC)
