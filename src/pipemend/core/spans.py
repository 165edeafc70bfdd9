"""Spans of time as people read them."""

NOTHING = "–"
MINUTE, HOUR, DAY = 60, 3600, 86400


def span(seconds: float | None) -> str:
    """`42s`, `6m 12s`, `1h 05m`, `3d`."""
    if seconds is None:
        return NOTHING
    whole = max(int(seconds), 0)
    if whole < MINUTE:
        return f"{whole}s"
    if whole < HOUR:
        return f"{whole // MINUTE}m {whole % MINUTE:02d}s" if whole % MINUTE else f"{whole // MINUTE}m"
    if whole < DAY:
        return f"{whole // HOUR}h {whole % HOUR // MINUTE:02d}m"
    return f"{whole // DAY}d"


def rough(seconds: float) -> str:
    """Like `span`, without seconds: `<1m`, `9m`, `1h 05m`, `3d`. The script in the browser says the same."""
    whole = max(int(seconds), 0)
    if whole < MINUTE:
        return "<1m"
    return f"{whole // MINUTE}m" if whole < HOUR else span(whole)
