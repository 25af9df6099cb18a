"""The hub's two clocks: one that only ever goes forward, one that people read.

Rules and durations use `mono_ms` alone; the wall clock is written down beside facts and believed by
nobody before its trust is known (WIRE §4). A demonstration may shift the wall clock by a file; the
monotonic clock cannot be shifted, so durations stay real.
"""

from __future__ import annotations

import ctypes
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

NS_PER_MS = 1_000_000
# adjtimex(2): the kernel's own word for "not synchronised by anybody".
TIME_ERROR = 5
# sizeof(struct timex) is 208 on 64-bit Linux and 128 on 32-bit; modes = 0 only reads.
TIMEX_BYTES = 256
# A day's demonstration moves weeks, not centuries; more is a mistyped file.
OFFSET_S_MAX = 10 * 366 * 86_400
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
RTC_SET_CLOCK = Path("/sys/class/rtc/rtc0/hctosys")


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None)


class ClockError(Exception):
    """The offset file does not hold a number of seconds."""


@cache
def boot_id() -> str:
    """The kernel's id of this boot; '' where there is none, which counts as a new boot."""
    try:
        return BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def iso_ms(moment: datetime) -> str:
    """RFC 3339 in UTC with milliseconds, as every record writes it: `2026-11-24T00:30:00.000Z`.

    Raises:
        ValueError: the moment has no time zone.
    """
    if moment.tzinfo is None:
        raise ValueError(f"time: expected an aware datetime, got {moment.isoformat()} without zone")
    utc = moment.astimezone(UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03d}Z"


def parse_offset_s(text: str, where: str) -> timedelta:
    """Reads a decimal number of seconds, signed.

    Raises:
        ClockError: not a number, or more than ten years.
    """
    try:
        seconds = float(text.strip() or "0")
    except ValueError as error:
        raise ClockError(f"{where}: expected seconds such as 86400, got {text[:40]!r}") from error
    if not -OFFSET_S_MAX <= seconds <= OFFSET_S_MAX:
        raise ClockError(
            f"{where}: expected at most {OFFSET_S_MAX} s either way, got {text[:40]!r}"
        )
    return timedelta(seconds=seconds)


@dataclass(slots=True)
class Clock:
    """Monotonic and wall time of this machine.

    Args:
        offset_file: text file with seconds to add to the wall clock, read again when it changes;
            absent file or None means none. Written by rename, so that no half of it is ever read.
    """

    offset_file: Path | None = None
    _offset: timedelta = field(default=timedelta(), init=False, repr=False)
    _stamp: tuple[int, int] | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        """Reads the offset once, so that a bad file is refused at the start."""
        self._read_offset()

    def mono_ms(self) -> int:
        """Milliseconds since boot, suspended time included; never steps."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // NS_PER_MS

    def wall(self) -> datetime:
        """UTC now, plus the offset of the file."""
        self._read_offset()
        return datetime.now(UTC) + self._offset

    def trust(self) -> str:
        """How far `wall` may be believed.

        Returns:
            `ntp`: disciplined, says the kernel; `rtc`: from a battery clock at boot; `none`.
        """
        state: int = _libc().adjtimex(ctypes.create_string_buffer(TIMEX_BYTES))
        if 0 <= state < TIME_ERROR:
            return "ntp"
        try:
            battery = RTC_SET_CLOCK.read_text(encoding="ascii").strip() == "1"
        except OSError:
            battery = False
        return "rtc" if battery else "none"

    def _read_offset(self) -> None:
        if self.offset_file is None:
            return
        try:
            about = self.offset_file.stat()
        except FileNotFoundError:
            self._offset, self._stamp = timedelta(), None
            return
        stamp = (about.st_mtime_ns, about.st_ino)
        if stamp == self._stamp:
            return
        text = self.offset_file.read_text(encoding="utf-8")
        self._offset = parse_offset_s(text, str(self.offset_file))
        self._stamp = stamp
