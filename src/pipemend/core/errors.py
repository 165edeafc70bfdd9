"""Our exceptions, one tree.

PipemendError
├── SettingsError            a setting is missing, half-set or wrong; the message names it
├── BadDelivery              a body at one of our doors makes no sense; the message names the field
├── NotFound                 there is no such ticket, delivery, pipeline…
├── Stale                    a command came too late or does not fit the state; says why
├── Overtaken                somebody else moved the row first
├── MoveRefused              the table of moves does not know this change of state
└── OutsideError             a system we call refused or did not answer
    ├── Unreachable          no connection could be made: nothing was sent
    ├── NoAnswer             it was sent, and no readable answer came in time: the outcome is unknown
    ├── Throttled            asked to slow down (429, 503)
    ├── NotAllowed           our identity may not do this (401, 403)
    │   └── ShutOut          it may do nothing at all, until somebody gives us a new token
    ├── Missing              the thing asked for does not exist (404)
    ├── Refused              the request itself was refused (other 4xx)
    └── Unreadable           an answer that makes no sense (HTML, a list, half a JSON)
"""


class PipemendError(Exception):
    """Something Pipemend can name went wrong."""


class SettingsError(PipemendError):
    """A setting is missing, half-set or wrong."""


class BadDelivery(PipemendError):
    """A body that came to one of our doors makes no sense."""

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class NotFound(PipemendError):
    """What was asked for is not here."""


class Stale(PipemendError):
    """A command came too late, or does not fit the state it found."""


class Overtaken(PipemendError):
    """Somebody else moved the row first."""


class MoveRefused(PipemendError):
    """The table of moves does not allow this change of state."""


class OutsideError(PipemendError):
    """A system we call refused or did not answer. `transient`: asking again later may help."""

    def __init__(self, message: str, *, transient: bool, status: int | None = None) -> None:
        super().__init__(message)
        self.transient = transient
        self.status = status


class Unreachable(OutsideError):
    """No connection could be made: nothing was sent."""

    def __init__(self, message: str) -> None:
        super().__init__(message, transient=True)


class NoAnswer(OutsideError):
    """The request left us, and no answer came in time: what it did is unknown."""

    def __init__(self, message: str) -> None:
        super().__init__(message, transient=True)


class Throttled(OutsideError):
    """Asked to slow down. `retry_after` in seconds, where it was said."""

    def __init__(
        self,
        message: str,
        *,
        retry_after: float | None = None,
        status: int | None = 429,
    ) -> None:
        super().__init__(message, transient=True, status=status)
        self.retry_after = retry_after


class NotAllowed(OutsideError):
    """Our identity may not do this."""

    def __init__(self, message: str, *, status: int = 403) -> None:
        super().__init__(message, transient=False, status=status)


class ShutOut(NotAllowed):
    """Our token is not believed, whatever we ask for. Nothing was done, and a new token mends it."""

    def __init__(self, message: str) -> None:
        super().__init__(message, status=401)
        self.transient = True


class Missing(OutsideError):
    """The thing asked for does not exist there."""

    def __init__(self, message: str) -> None:
        super().__init__(message, transient=False, status=404)


class Refused(OutsideError):
    """The request itself was refused: sending it again changes nothing."""

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message, transient=False, status=status)


class Unreadable(OutsideError):
    """An answer came, and it makes no sense."""

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message, transient=True, status=status)
