"""What a person is asked to say yes to: one attempt of one action on one pipeline. Anything else needs a new yes."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pipemend.core.ticket import Ticket


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """Attempt `number` with this action, because of this error, repeating this run. `why`: who wants to be asked."""

    number: int
    action: str
    error_type: str
    run_id: str
    why: str

    def id(self, ticket: Ticket) -> str:
        """Differs as soon as anything about it does."""
        scope = (ticket.id, ticket.platform, ticket.resource, ticket.pipeline)
        words = "|".join((*scope, str(self.number), self.action, self.error_type, self.run_id))
        return hashlib.sha256(words.encode()).hexdigest()[:12]

    def record(self, ticket: Ticket) -> Mapping[str, Any]:
        """As it is kept on the ticket."""
        return {"id": self.id(ticket), **asdict(self)}
