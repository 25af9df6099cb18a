"""The room's clocks: what may be shifted and what never is."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from edge.clock import Clock, ClockError, boot_id, iso_ms


def test_the_offset_file_moves_the_wall_clock_and_not_the_monotonic_one(tmp_path: Path) -> None:
    offset = tmp_path / "offset"
    clock = Clock(offset)
    before_ms, before = clock.mono_ms(), clock.wall()

    (tmp_path / "new").write_text("86400\n")
    (tmp_path / "new").rename(offset)

    assert timedelta(days=1) <= clock.wall() - before < timedelta(days=1, minutes=1)
    assert 0 <= clock.mono_ms() - before_ms < 60_000
    offset.unlink()
    assert clock.wall() - before < timedelta(minutes=1)


@pytest.mark.parametrize("text", ["tomorrow", "nan", "1e12", "12:00"])
def test_an_offset_that_is_no_number_of_seconds_is_refused_by_name(
    tmp_path: Path, text: str
) -> None:
    offset = tmp_path / "offset"
    offset.write_text(text)

    with pytest.raises(ClockError, match=r"offset: expected .* got"):
        Clock(offset)


def test_times_are_written_in_utc_with_milliseconds() -> None:
    assert iso_ms(datetime(2026, 11, 24, 0, 30, tzinfo=UTC)) == "2026-11-24T00:30:00.000Z"
    assert iso_ms(datetime(2026, 11, 24, 0, 30, 1, 999_999, tzinfo=UTC)).endswith("01.999Z")
    with pytest.raises(ValueError, match="aware"):
        iso_ms(datetime(2026, 11, 24))  # noqa: DTZ001 - the refusal is the point


def test_the_trust_is_one_of_the_three_words_of_the_wire() -> None:
    assert Clock().trust() in {"ntp", "rtc", "none"}
    assert len(boot_id()) == 36
