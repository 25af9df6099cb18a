"""ID card reader: tells each presented card once.

Find every 300 ms; a found card is selected and read, find-select-read again on a failure, since a
read alone after a failed one gets nothing; why a card cannot be read is told once, and it is tried
again as long as it lies there. A card that was read has to go (two finds in a row without a
card) before another is read: common modules answer `no card` for a card they have read until it is
lifted, others find it again and again. No picture leaves the reader's codec here.
"""

from __future__ import annotations

from edge.devices import Mono, Sink
from edge.drivers.line import Line
from edge.drivers.port import PortDriver
from protocols.wire import idcard as wire
from protocols.wire.idcard import Answer, Command, Sw
from protocols.wire.idcard_text import Card, parse_text

FIND_EVERY_MS, FIND_MS, SELECT_MS, READ_MS = 300, 500, 1_000, 3_000
# Frames carry their length: a pause ends one only when it is longer than any adapter's.
QUIET_MS = 250
# A damaged answer is not sent again by itself; a module that is still reading sends no byte before.
SPOILT_MS = 500
TRIES_MAX = 3
EMPTY_FINDS = 2
# The module itself is out of order: no card can be read, whichever it is.
MODULE_FAULTS = frozenset({Sw.NOT_AUTHORISED, Sw.SELF_TEST_FAILED})


class CardReader(PortDriver):
    """One reader with an SAM_V module; readings `card`, `card_error`, `card_removed`."""

    bauds = tuple(wire.BAUD_INDEX)

    def __init__(
        self, *, device: str, port: str, sink: Sink, mono: Mono, baud: int = 115_200
    ) -> None:
        super().__init__(device=device, port=port, baud=baud, sink=sink, mono=mono)
        self._decoder = wire.HostDecoder()
        self._holds_card = False
        self._read_it = self._told_why = False
        self._empty_finds = 0

    def turn(self, line: Line) -> None:
        """Looks for a card; reads one that is new."""
        found = self._find(line)
        if found is not None and found.sw3 == Sw.CARD_FOUND:
            self._empty_finds = 0
            if not self._holds_card:
                self._holds_card = True
                self._read_it = self._told_why = False
            if not self._read_it:
                self._read_it = self._read(line)
        elif found is not None and self._holds_card:
            self._empty_finds += 1
            if self._empty_finds >= EMPTY_FINDS:
                self._holds_card = False
                self._empty_finds = 0
                self.report("card_removed", {})
        self.pause(FIND_EVERY_MS)

    def _find(self, line: Line) -> Answer | None:
        """The answer to find, None when the module is silent or out of order."""
        found = self._ask(line, wire.FIND, {Sw.CARD_FOUND}, timeout_ms=FIND_MS)
        if found is None:
            self.missed()
        elif found.sw3 in MODULE_FAULTS:
            self.missed(found.name)
            return None
        else:
            self.answered()
        return found

    def _read(self, line: Line) -> bool:
        """Reads the found card, a few times if need be; tells it or, once, why not."""
        reason = "no_answer"
        for attempt in range(TRIES_MAX):
            if attempt:
                found = self._ask(line, wire.FIND, {Sw.CARD_FOUND}, timeout_ms=FIND_MS)
                if found is None or found.sw3 != Sw.CARD_FOUND:
                    reason = reason if found is None or found.sw3 == Sw.NO_CARD else found.name
                    continue
            result = self._select_and_read(line)
            if isinstance(result, Card):
                self.report("card", _told(result))
                return True
            reason = result
            if self.stopping:
                return False
        if not self._told_why:
            self._told_why = True
            self.report("card_error", {"reason": reason})
        return False

    def _select_and_read(self, line: Line) -> Card | str:
        selected = self._ask(line, wire.SELECT, {Sw.OK}, timeout_ms=SELECT_MS)
        if selected is None:
            return "no_answer"
        if selected.name != "ok":
            return selected.name
        read = self._ask(line, wire.READ, {Sw.OK}, timeout_ms=READ_MS)
        if read is None:
            return "no_answer"
        parts = wire.split_read(read)
        if parts is None:
            return read.name
        card = parse_text(parts[0])
        return card if isinstance(card, Card) else card.value

    def _ask(
        self, line: Line, command: Command, good: set[Sw], *, timeout_ms: int
    ) -> Answer | None:
        def fits(answer: Answer) -> Answer | None:
            # An answer names no command: a good one with the wrong content is a late one.
            late = answer.sw3 in {Sw.OK, Sw.CARD_FOUND} and answer.sw3 not in good
            if command == wire.READ and answer.name == "ok" and wire.split_read(answer) is None:
                late = True
            return None if late else answer

        return line.exchange(
            wire.encode(command),
            self._decoder,
            fits,
            timeout_ms=timeout_ms,
            quiet_ms=QUIET_MS,
            spoilt_ms=min(timeout_ms, SPOILT_MS),
        )


def _told(card: Card) -> dict[str, object]:
    return {
        "layout": card.layout.value,
        "name": card.name,
        "number": card.number,
        "sex": card.sex,
        "nation": card.nation,
        "birth": card.birth,
        "valid_to": card.valid_to,
    }
