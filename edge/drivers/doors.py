"""What the drivers of lock boards have in common: polling, believing, and one pulse at a time.

A pulse is sent once and only after the door was read. What became of it is what the door says in
the three seconds after, never what the board answers. A pulse nobody could see the end of is
`unknown`; one that was never sent because the board is silent is `no_answer`. Nothing waits for a
lost board to come back: a door that opens minutes after somebody asked would open for nobody.
"""

from __future__ import annotations

import queue
from abc import abstractmethod

from edge.devices import DeviceError, Mono, Sink, TwoReads
from edge.drivers.line import Line
from edge.drivers.port import PortDriver

POLL_MS = 250
ANSWER_MS = 150
# Ends a frame of boards whose frames tell no length. USB adapters add up to 16 ms between bytes, a
# busy board or machine more; a read waits this long after its last byte, which no one waits for.
QUIET_MS = 60
WATCH_EVERY_MS, WATCH_READS = 100, 30
SETTLE_READS = 4
# More than the largest cabinet has doors: nobody waits for more.
PULSES_MAX = 64
UNKNOWN = "unknown"

DoorAndItem = tuple[str, str]


class DoorDriver(PortDriver):
    """Base of the lock board drivers; readings `lockers` and `pulse`.

    Args:
        count: lockers of this cabinet, numbered from 1.
        locks_max: what the board can have.

    Raises:
        DeviceError: a count or speed the board does not have.
    """

    def __init__(
        self,
        *,
        device: str,
        port: str,
        baud: int,
        sink: Sink,
        mono: Mono,
        count: int,
        locks_max: int,
    ) -> None:
        super().__init__(device=device, port=port, baud=baud, sink=sink, mono=mono)
        if not 1 <= count <= locks_max:
            raise DeviceError(f"{device} count: expected 1..{locks_max}, got {count}")
        self._locks = range(1, count + 1)
        self._pulses: queue.Queue[int] = queue.Queue(PULSES_MAX)
        self._doors: dict[int, TwoReads[str]] = {lock: TwoReads() for lock in self._locks}
        self._items: dict[int, TwoReads[str]] = {lock: TwoReads() for lock in self._locks}
        self._told: dict[str, list[str]] = {}

    @abstractmethod
    def ask(self, line: Line) -> dict[int, DoorAndItem] | None:
        """One read of all lockers; None when the board did not answer."""

    @abstractmethod
    def pulse_frame(self, lock: int) -> bytes:
        """The bytes of one pulse."""

    def open(self, lock: int) -> None:
        """Queues one pulse; the outcome comes as a reading.

        Raises:
            DeviceError: no such lock, or too many pulses waiting.
        """
        if lock not in self._locks:
            raise DeviceError(f"{self.device} lock: expected 1..{self._locks[-1]}, got {lock}")
        try:
            self._pulses.put_nowait(lock)
        except queue.Full as error:
            raise DeviceError(
                f"{self.device}: expected at most {PULSES_MAX} pulses waiting, got one more"
            ) from error
        self.wake()

    def turn(self, line: Line) -> None:
        """Drives one waiting pulse, or reads all doors."""
        try:
            lock = self._pulses.get_nowait()
        except queue.Empty:
            self._poll(line)
            self.pause(POLL_MS)
            return
        self._drive(line, lock)

    def offline(self) -> None:
        """Answers what waits: nothing was sent."""
        while not self._pulses.empty():
            self._outcome(self._pulses.get_nowait(), "no_answer")

    def silenced(self) -> None:
        """All doors are unknown while the board is silent."""
        for reads in (*self._doors.values(), *self._items.values()):
            reads.forget()
        self._tell()

    def _poll(self, line: Line) -> bool:
        """Reads all lockers once; returns whether the board answered."""
        states = self.ask(line)
        if states is None:
            self.missed()
            return False
        self.answered()
        for lock, (door, item) in states.items():
            self._doors[lock].read(door)
            self._items[lock].read(item)
        if all(reads.confirmed is not None for reads in self._doors.values()):
            self._tell()
        return True

    def _tell(self) -> None:
        states = {
            str(lock): [
                self._doors[lock].confirmed or UNKNOWN,
                self._items[lock].confirmed or UNKNOWN,
            ]
            for lock in self._locks
        }
        if states != self._told:
            self._told = states
            self.report("lockers", {"states": states})

    def _drive(self, line: Line, lock: int) -> None:
        """One pulse, with a read before it and reads after it."""
        sent = False
        try:
            read = [self._poll(line) for _ in range(SETTLE_READS)]
            if not any(read) or self._doors[lock].confirmed is None:
                # Silent, or heard only once since it was: no two reads agree on what the door is.
                self._outcome(lock, "no_answer")
                return
            if self._doors[lock].confirmed == "open":
                self._outcome(lock, "opened")
                return
            sent = True
            line.send(self.pulse_frame(lock))
            self._outcome(lock, self._watch(line, lock))
        except OSError:
            self._outcome(lock, UNKNOWN if sent else "no_answer")
            raise

    def _watch(self, line: Line, lock: int) -> str:
        """What the door does after a pulse."""
        for _ in range(WATCH_READS):
            self.rest(WATCH_EVERY_MS)
            if self.stopping:
                return UNKNOWN
            self._poll(line)
            if self._doors[lock].confirmed == "open":
                return "opened"
        return "still_closed" if self._doors[lock].confirmed == "closed" else UNKNOWN

    def _outcome(self, lock: int, outcome: str) -> None:
        self.report("pulse", {"lock": lock, "outcome": outcome})
