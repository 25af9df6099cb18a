"""A simulated ID card reader with an SAM_V module.

After a good read the same card answers `no card` to find until it is lifted, as the common modules
do; a read whose answer was spoilt on the line does not count.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import ClassVar

from edge.simulators.board import Board, Request
from protocols.wire import idcard
from protocols.wire.idcard import Answer, Command, DamagedCommand, Sw
from protocols.wire.idcard_text import FIELDS, Card, Layout, encode_text

NUMBER_LENGTH = 18
MODULE_ID = bytes(range(16))
# SAM faults: the status they answer with, and the commands they spoil.
SAM_FAULTS = {
    "sam_66": (Sw.NOT_AUTHORISED, None),
    "sam_31": (Sw.CARD_REJECTS_SAM, idcard.SELECT),
    "sam_41": (Sw.READ_FAILED, idcard.READ),
}
GOOD = Answer(Sw.OK)
FIXED_ANSWERS = {
    idcard.RESET: GOOD,
    idcard.STATUS: GOOD,
    idcard.SAM_ID: Answer(Sw.OK, MODULE_ID),
    idcard.READ_NEW_ADDRESS: Answer(Sw.NO_SUCH_ITEM),
}
# Speed of the line, longest radio frame: taken and without effect on a pty.
SETTINGS = frozenset({0x60, 0x61})


class SimulatedIdReader(Board):
    """One reader; a card lies on it or not."""

    kind: ClassVar[str] = "idcard"
    more_faults: ClassVar[tuple[str, ...]] = tuple(SAM_FAULTS)

    def __init__(self, *, seed: int = 0) -> None:
        super().__init__(seed=seed)
        self._decoder = idcard.BoardDecoder()
        self._card: Card | None = None
        self._read = False
        self._found = False
        self._selected = False

    def heard(self, data: bytes) -> list[bytes]:
        """Bytes came from the host; returns answers."""
        return [self._answer(heard) for heard in self._decoder.receive_data(data)]

    def quiet(self) -> list[bytes]:
        """The line went quiet; an unfinished command is forgotten."""
        return [self._answer(heard) for heard in self._decoder.flush()]

    def _answer(self, heard: Command | DamagedCommand) -> bytes:
        if isinstance(heard, DamagedCommand):
            return idcard.encode_answer(Answer(heard.sw))
        for fault, (sw, spoilt) in SAM_FAULTS.items():
            if spoilt in {None, heard} and self.faults.takes(fault):
                return idcard.encode_answer(Answer(sw))
        return idcard.encode_answer(self._obey(heard))

    def _obey(self, command: Command) -> Answer:
        if command == idcard.FIND:
            return self._find()
        if command == idcard.SELECT:
            self._selected = self._found and self._card is not None
            return Answer(Sw.OK, bytes(8)) if self._selected else Answer(Sw.SELECT_FAILED)
        if command in {idcard.READ, idcard.READ_WITH_FINGER}:
            return self._give(command)
        if command.cmd in SETTINGS:
            return GOOD
        return FIXED_ANSWERS.get(command, Answer(Sw.BAD_COMMAND))

    def _find(self) -> Answer:
        self._selected = False
        self._found = self._card is not None and not self._read
        return Answer(Sw.CARD_FOUND, bytes(4)) if self._found else Answer(Sw.NO_CARD)

    def _give(self, command: Command) -> Answer:
        if self._card is None or not self._selected:
            return Answer(Sw.READ_FAILED)
        self._read = self.faults.harmless
        text, photo = encode_text(self._card), photo_of(self._card)
        answer = idcard.read_answer(text, photo)
        if command == idcard.READ:
            return answer
        head = len(idcard.READ_HEAD)
        return Answer(Sw.OK, answer.data[:head] + bytes(2) + answer.data[head:])

    def orders(self) -> Mapping[str, str]:
        """The control commands."""
        return {
            "insert": "layout, name, number, optionally sex, nation, birth, valid_to",
            "remove": "nothing",
        }

    def order(self, do: str, request: Request) -> None:
        """Lays a card on the reader or takes it away."""
        if do == "insert":
            self._insert(request)
        else:
            request.done()
            self._card = None
        self._read = self._found = self._selected = False

    def _insert(self, request: Request) -> None:
        layouts = tuple(layout.value for layout in Layout)
        layout = Layout(request.word("layout", layouts, default=Layout.RESIDENT.value))
        name, number = request.text("name"), request.text("number")
        modern = len(number) == NUMBER_LENGTH
        odd = modern and number[16].isdigit() and int(number[16]) % 2 == 1
        card = Card(
            layout=layout,
            name=name,
            number=number,
            sex=request.text("sex", default="1" if odd or not modern else "2"),
            nation=request.text("nation", default="01") if layout is Layout.RESIDENT else "",
            birth=request.text("birth", default=number[6:14] if modern else "19700101"),
            valid_to=request.text("valid_to", default="20400101"),
            more={
                key: request.text(key)
                for key in tuple(request.fields)
                if key in FIELDS[layout] and key not in {"mark", "tail"}
            },
        )
        request.done()
        try:
            encode_text(card)
        except ValueError as error:
            raise request.refuse("card", "fields that fit the card", str(error)) from error
        self._card = card

    def state(self) -> dict[str, object]:
        """The card on the reader and whether it has been read."""
        return {"card": _card_json(self._card), "read": self._read}

    def restore(self, state: Mapping[str, object]) -> None:
        """Takes over the card."""
        fields = state["card"]
        self._card = None
        if isinstance(fields, dict):
            self._card = Card(**{**fields, "layout": Layout(fields["layout"])})
        self._read = bool(state["read"])


def photo_of(card: Card) -> bytes:
    """1024 bytes in place of the closed photo format, the same for the same number."""
    return b"WLf\0" + hashlib.shake_128(card.number.encode()).digest(idcard.PHOTO_BYTES - 4)


def _card_json(card: Card | None) -> dict[str, object] | None:
    if card is None:
        return None
    return {
        "layout": card.layout.value,
        "name": card.name,
        "number": card.number,
        "sex": card.sex,
        "nation": card.nation,
        "birth": card.birth,
        "valid_to": card.valid_to,
        "more": dict(card.more),
    }
