r"""UPS with the Megatec protocol (2400 8N1), query `Q1`, both sides.

    host -> UPS  Q1\r
    UPS -> host  (208.4 140.0 208.4 034 59.9 2.05 35.0 00110000\r      47 bytes

Fields: input, fault and output voltage, load %, Hz, battery V (per cell on line, whole string on
standby), degrees C, eight bits b7..b0. A field may be `---.-`: the UPS does not know. A UPS that
does not know a command says it back. networkupstools.org/protocols/megatec.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

QUERY = b"Q1\r"
END = b"\r"
# An answer has 47 bytes; a line longer than this never ends in one.
LINE_BYTES_MAX = 80
# One lead-acid cell never reaches this; a string of six never falls so low.
CELL_V_MAX = 9.0
_NUMBER = rb"([0-9]{1,4}(?:\.[0-9]{1,3})?|-{1,4}(?:\.-{1,3})?)"
_ANSWER = re.compile(rb"\(" + rb" ".join([_NUMBER] * 7) + rb" ([01]{8})\Z")
_ECHO = re.compile(rb"[A-Z][A-Z0-9.]{0,15}\Z")


@dataclass(frozen=True, slots=True)
class Status:
    """What a UPS says about itself; None where it does not know.

    Args:
        input_v: mains voltage.
        fault_v: voltage at the last transfer.
        output_v: voltage given out.
        load_pct: 0..100 and above on overload.
        frequency_hz: of the input.
        battery_v: per cell (about 2) or of the whole string (12 and more).
        temperature_c: inside.
        utility_fail: no mains (b7).
        battery_low: b6.
        bypass: bypass or boost (b5).
        ups_failed: b4.
        standby_type: b3.
        testing: b2.
        shutting_down: b1.
        beeper_on: b0.
    """

    input_v: float | None
    fault_v: float | None
    output_v: float | None
    load_pct: int | None
    frequency_hz: float | None
    battery_v: float | None
    temperature_c: float | None
    utility_fail: bool = False
    battery_low: bool = False
    bypass: bool = False
    ups_failed: bool = False
    standby_type: bool = False
    testing: bool = False
    shutting_down: bool = False
    beeper_on: bool = False


@dataclass(frozen=True, slots=True)
class Echo:
    """The UPS said a command back: it does not know it."""

    text: str


@dataclass(frozen=True, slots=True)
class Query:
    """A line the host sent, without its end: `Q1` or something else."""

    text: str


@dataclass(slots=True)
class _Lines:
    """Cuts at carriage returns; a line that grows too long loses its oldest bytes."""

    dropped_bytes: int = 0
    rest: bytes = field(default=b"", repr=False)

    def take(self, data: bytes) -> list[bytes]:
        *lines, rest = (self.rest + data).split(END)
        self.rest = rest[-LINE_BYTES_MAX:]
        self.dropped_bytes += len(rest) - len(self.rest)
        return lines

    def forget(self) -> None:
        self.dropped_bytes += len(self.rest)
        self.rest = b""


def encode(query: Query) -> bytes:
    """The bytes of a query, as the host sends them."""
    return query.text.encode("ascii") + END


def encode_event(event: Status | Echo) -> bytes:
    """The bytes of an answer, as the UPS sends them."""
    if isinstance(event, Echo):
        return event.text.encode("ascii") + END
    bits = (
        event.utility_fail, event.battery_low, event.bypass, event.ups_failed,
        event.standby_type, event.testing, event.shutting_down, event.beeper_on,
    )  # fmt: skip
    per_cell = event.battery_v is not None and event.battery_v < CELL_V_MAX
    fields = (
        _padded(event.input_v, 5, 1), _padded(event.fault_v, 5, 1), _padded(event.output_v, 5, 1),
        _padded(event.load_pct, 3, 0), _padded(event.frequency_hz, 4, 1),
        _padded(event.battery_v, 4, 2 if per_cell else 1), _padded(event.temperature_c, 4, 1),
        "".join("1" if bit else "0" for bit in bits),
    )  # fmt: skip
    return f"({' '.join(fields)}".encode("ascii") + END


def _padded(value: float | None, width: int, digits: int) -> str:
    if value is None:
        return "-" * (width - digits - 1) + "." + "-" * digits if digits else "-" * width
    return f"{value:0{width}.{digits}f}"


def _number(raw: bytes) -> float | None:
    return None if raw.startswith(b"-") else float(raw)


def parse_line(line: bytes) -> Status | Echo | None:
    """Reads one line without its end, noise before it allowed; None when it says nothing."""
    found = _ANSWER.search(line, _begin(line))
    if found is None:
        echo = _ECHO.match(line)
        return Echo(line.decode("ascii")) if echo else None
    in_v, fault_v, out_v, load, hertz, battery_v, celsius = map(_number, found.groups()[:7])
    bits = [bit == ord("1") for bit in found.group(8)]
    load_pct = None if load is None else round(load)
    return Status(in_v, fault_v, out_v, load_pct, hertz, battery_v, celsius, *bits)


def _begin(line: bytes) -> int:
    """Where an answer in this line begins; what stands before it is noise."""
    return max(line.rfind(b"("), 0)


@dataclass(slots=True)
class HostDecoder:
    """What the host hears: status lines and echoes."""

    _lines: _Lines = field(default_factory=_Lines)

    @property
    def dropped_bytes(self) -> int:
        """Bytes that belonged to no answer."""
        return self._lines.dropped_bytes

    @property
    def pending(self) -> int:
        """Bytes of the line so far."""
        return len(self._lines.rest)

    def receive_data(self, data: bytes) -> list[Status | Echo]:
        """Adds bytes from the line; returns the answers they complete."""
        events: list[Status | Echo] = []
        for line in self._lines.take(data):
            event = parse_line(line)
            if event is None:
                self._lines.dropped_bytes += len(line) + len(END)
            else:
                self._lines.dropped_bytes += _begin(line)
                events.append(event)
        return events

    def flush(self) -> list[Status | Echo]:
        """The line went quiet; an unfinished answer is forgotten."""
        self._lines.forget()
        return []


@dataclass(slots=True)
class BoardDecoder:
    """What the UPS hears: queries."""

    _lines: _Lines = field(default_factory=_Lines)

    @property
    def dropped_bytes(self) -> int:
        """Bytes that belonged to no query."""
        return self._lines.dropped_bytes

    def receive_data(self, data: bytes) -> list[Query]:
        """Adds bytes from the line; returns the queries they complete."""
        queries: list[Query] = []
        for line in self._lines.take(data):
            if _ECHO.match(line):
                queries.append(Query(line.decode("ascii")))
            else:
                self._lines.dropped_bytes += len(line) + len(END)
        return queries

    def flush(self) -> list[Query]:
        """The line went quiet; an unfinished query is forgotten."""
        self._lines.forget()
        return []
