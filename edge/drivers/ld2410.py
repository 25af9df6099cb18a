"""LD2410 presence radar of one station: evidence beside the mat, never the judge.

A module whose numbers stay the same for ten minutes hangs (real echoes flicker) and is restarted.
"""

from __future__ import annotations

from edge.devices import Mono, Sink, TwoReads
from edge.drivers.line import Line, PortAgainError
from edge.drivers.port import PortDriver
from protocols.wire import ld2410 as wire
from protocols.wire.ld2410 import Ack, Report, Target

LISTEN_MS = 250
QUIET_MS = 100
# Reports come ten times a second; twenty missing ones are no report.
SILENT_MS = 2_000
REOPEN_MS = 10_000
REPEAT_MS = 5_000
FROZEN_MS = 600_000
ACK_MS = 1_000
# A restarting module says nothing for a second or so: not yet a loss.
RESTART_MS = 3_000


class SeatRadar(PortDriver):
    """The radar of one station; readings `radar`."""

    bauds = tuple(wire.BAUD_INDEX)
    fresh_ms = SILENT_MS

    def __init__(
        self,
        *,
        device: str,
        port: str,
        sink: Sink,
        mono: Mono,
        station: int,
        baud: int = 115_200,
    ) -> None:
        super().__init__(device=device, port=port, baud=baud, sink=sink, mono=mono)
        self._station = station
        self._decoder = wire.HostDecoder()
        self._target: TwoReads[Target] = TwoReads()
        self._last: Report | None = None
        self._told_ms = self._heard_ms = self._changed_ms = 0

    def opened(self) -> None:
        """A fresh line: silence counts from here."""
        self._heard_ms = self._changed_ms = self._mono()
        self._decoder.flush()

    def silenced(self) -> None:
        """What was seen is old: the next report is told again."""
        self._target.forget()
        self._last = None

    def turn(self, line: Line) -> None:
        """Listens a little."""
        data = line.receive(LISTEN_MS)
        for event in self._decoder.receive_data(data) if data else self._decoder.flush():
            if isinstance(event, Report):
                self._hear(event)
        now = self._mono()
        silent_ms = now - self._heard_ms
        if silent_ms >= SILENT_MS:
            self.lose("silent")
        if silent_ms >= REOPEN_MS:
            raise PortAgainError(f"{self.device}: silent for {silent_ms} ms")
        if now - self._changed_ms >= FROZEN_MS:
            self._restart(line)

    def _hear(self, report: Report) -> None:
        now = self._heard_ms = self._mono()
        self.answered()
        if report != self._last:
            self._last, self._changed_ms = report, now
        changed = self._target.read(report.target)
        target = self._target.confirmed
        if target is not None and (changed or now - self._told_ms >= REPEAT_MS):
            self._told_ms = now
            self.report("radar", {"station": self._station, "target": target.name.lower()})

    def _restart(self, line: Line) -> None:
        """Restarts a module whose numbers hang; tried again after another ten minutes."""
        self._changed_ms = self._mono()
        for command in (wire.ENABLE_CONFIG, wire.RESTART):

            def fits(event: Report | Ack, wanted: int = command.command) -> Ack | None:
                return event if isinstance(event, Ack) and event.command == wanted else None

            ack = line.exchange(
                wire.encode(command), self._decoder, fits, timeout_ms=ACK_MS, quiet_ms=QUIET_MS
            )
            if ack is None or not ack.ok:
                return
        self._heard_ms = self._mono() + RESTART_MS
