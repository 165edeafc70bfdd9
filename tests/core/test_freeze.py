"""Freeze windows: by the clock of a place, across midnight, and in the nights when clocks change."""

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import pytest

from pipemend.core.freeze import Window, frozen

BERLIN, NEW_YORK = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")
FRIDAY, SATURDAY = 4, 5
WEEKEND = Window(days=frozenset({FRIDAY, SATURDAY}), begins=time(18), ends=time(6), zone=BERLIN)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def ends(window: Window, moment: str) -> str | None:
    end = frozen([window], at(moment))
    return f"{end.until.astimezone(UTC):%m-%d %H:%M}" if end else None


@pytest.mark.parametrize(
    ("moment", "end"),
    [
        ("2026-11-27 16:59", None),  # Friday, 17:59 in Berlin
        ("2026-11-27 17:00", "11-28 05:00"),
        ("2026-11-28 04:59", "11-28 05:00"),  # Saturday morning belongs to Friday's window
        ("2026-11-28 05:00", None),
        ("2026-11-28 17:00", "11-29 05:00"),
        ("2026-11-29 17:00", None),  # Sunday
        ("2026-11-27 04:00", None),  # Friday morning belongs to Thursday
    ],
)
def test_a_window_may_cross_midnight(moment: str, end: str | None) -> None:
    assert ends(WEEKEND, moment) == end


def test_the_clock_is_that_of_the_place() -> None:
    noon = Window(begins=time(12), ends=time(13), zone=NEW_YORK)
    assert ends(noon, "2026-07-01 16:30") == "07-01 17:00"
    assert ends(noon, "2026-12-01 17:30") == "12-01 18:00"
    assert ends(noon, "2026-12-01 16:30") is None


def test_dates_and_days_have_to_fit_both() -> None:
    span = (date(2026, 12, 1), date(2026, 12, 31))
    window = Window(dates=(span,), days=frozenset({FRIDAY}), zone=BERLIN)
    assert ends(window, "2026-12-04 12:00") == "12-04 23:00"
    assert ends(window, "2026-12-05 12:00") is None
    assert ends(window, "2026-11-27 12:00") is None


def test_whole_days_that_touch_are_one_window() -> None:
    holidays = Window(dates=((date(2026, 12, 24), date(2027, 1, 2)),), zone=BERLIN)
    assert ends(holidays, "2026-12-23 23:00") == "01-02 23:00"


def test_windows_that_overlap_are_one_and_the_last_one_gives_the_end() -> None:
    evening = Window(begins=time(16), ends=time(20), zone=ZoneInfo("UTC"))
    end = frozen([evening, WEEKEND], at("2026-11-27 16:30"))
    assert str(end) == "2026-11-28 06:00 Europe/Berlin"


def test_what_never_ends_is_looked_at_again_some_day() -> None:
    always = Window(begins=time(0), ends=time(0), zone=BERLIN)
    end = frozen([always], at("2026-11-27 16:30"))
    assert end
    assert 30 < (end.until - at("2026-11-27 16:30")).days < 45


# In Berlin clocks go from 02:00 to 03:00 on 2026-03-29, and from 03:00 back to 02:00 on 2026-10-25, both at 01:00 UTC.


def test_a_night_has_23_or_25_hours() -> None:
    night = Window(begins=time(22), ends=time(6), zone=BERLIN)
    assert ends(night, "2026-03-28 21:00") == "03-29 04:00"
    assert ends(night, "2026-10-24 20:00") == "10-25 05:00"


def test_an_hour_that_comes_twice_is_frozen_from_its_first_to_its_second_end() -> None:
    window = Window(begins=time(2, 15), ends=time(2, 45), zone=BERLIN)
    assert ends(window, "2026-10-25 00:14") is None
    assert ends(window, "2026-10-25 00:15") == "10-25 01:45"
    assert ends(window, "2026-10-25 01:00") == "10-25 01:45"
    assert ends(window, "2026-10-25 01:45") is None


def test_a_time_that_is_left_out_makes_a_window_longer_never_shorter() -> None:
    until_half_past_two = Window(begins=time(1), ends=time(2, 30), zone=BERLIN)
    assert ends(until_half_past_two, "2026-03-29 00:59") == "03-29 01:30"
    from_half_past_two = Window(begins=time(2, 30), ends=time(5), zone=BERLIN)
    assert ends(from_half_past_two, "2026-03-29 01:00") == "03-29 03:00"
