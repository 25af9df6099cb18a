"""UPS with the Megatec protocol: whether the mains is there and how long the battery may carry.

`Q1` tells no percentage; with a table of the battery's voltages the driver gives one, without it
the charge is unknown until the UPS says `battery low`.
"""

from __future__ import annotations

from edge.devices import DeviceError, Mono, Sink, TwoReads
from edge.drivers.line import Line
from edge.drivers.port import PortDriver
from protocols.wire import megatec as wire
from protocols.wire.megatec import Echo, Status

# Contact and UPS have to agree before mains are called lost, and that within two seconds.
POLL_MS = 1_000
# While two reads do not agree yet, or an answer is missing, the next question comes sooner.
AGAIN_MS = 200
# 47 characters at 2400 baud take 196 ms; slow firmware thinks for half a second.
ANSWER_MS = 1_000
QUIET_MS = 300
REPEAT_MS = 60_000

Bits = tuple[bool, bool, bool]
ChargeTable = tuple[tuple[float, int], ...]


class Ups(PortDriver):
    """One UPS; readings `ups`.

    Args:
        charge_table: (battery volts as the UPS tells them, percent), rising; empty for unknown.
        poll_ms: between questions.

    Raises:
        DeviceError: a speed the UPS does not have, or a table that does not rise.
    """

    bauds = (2400, 9600)
    fresh_ms = 10_000

    def __init__(
        self,
        *,
        device: str,
        port: str,
        sink: Sink,
        mono: Mono,
        baud: int = 2400,
        charge_table: ChargeTable = (),
        poll_ms: int = POLL_MS,
    ) -> None:
        super().__init__(device=device, port=port, baud=baud, sink=sink, mono=mono)
        volts = [row[0] for row in charge_table]
        if volts != sorted(set(volts)):
            raise DeviceError(f"{device} charge_table: expected rising volts, got {volts}")
        self._table, self._poll_ms = charge_table, poll_ms
        self._decoder = wire.HostDecoder()
        self._bits: TwoReads[Bits] = TwoReads()
        self._told: tuple[Bits, int | None] | None = None
        self._told_ms = 0

    def silenced(self) -> None:
        """What was known is old: the next answers are told again."""
        self._bits.forget()
        self._told = None

    def turn(self, line: Line) -> None:
        """Asks once."""
        answer = line.exchange(
            wire.QUERY, self._decoder, lambda event: event, timeout_ms=ANSWER_MS, quiet_ms=QUIET_MS
        )
        if isinstance(answer, Status):
            self.answered()
            agreed = self._hear(answer)
            self.pause(self._poll_ms if agreed else AGAIN_MS)
            return
        self.missed("unknown_command" if isinstance(answer, Echo) else "no_answer")
        self.pause(AGAIN_MS)

    def _hear(self, status: Status) -> bool:
        """Tells what two reads agree on; returns whether they do."""
        bits = (status.utility_fail, status.battery_low, status.ups_failed)
        self._bits.read(bits)
        if self._bits.confirmed != bits:
            return False
        charge = self._charge(status.battery_v)
        now = self._mono()
        if (bits, charge) != self._told or now - self._told_ms >= REPEAT_MS:
            self._told, self._told_ms = (bits, charge), now
            self.report("ups", _told(status, charge))
        return True

    def _charge(self, volts: float | None) -> int | None:
        """Percent by the table, straight lines between its rows."""
        if volts is None or not self._table:
            return None
        low_v, low_pct = self._table[0]
        if volts <= low_v:
            return low_pct
        for high_v, high_pct in self._table[1:]:
            if volts <= high_v:
                share = (volts - low_v) / (high_v - low_v)
                return round(low_pct + share * (high_pct - low_pct))
            low_v, low_pct = high_v, high_pct
        return low_pct


def _told(status: Status, charge: int | None) -> dict[str, object]:
    return {
        "utility_fail": status.utility_fail,
        "battery_low": status.battery_low,
        "ups_failed": status.ups_failed,
        "charge_pct": charge,
        "battery_v": status.battery_v,
        "load_pct": status.load_pct,
        "input_v": status.input_v,
    }
