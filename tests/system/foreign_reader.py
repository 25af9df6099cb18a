"""A card reader by another hand: raw frames of GA/T 467-2019, written from its text alone.

Nothing of the product's codec is used, so that a mistake both of our sides share is seen here.
"""

from __future__ import annotations

import os
import select
import threading
import tty
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

HEAD = bytes.fromhex("AAAAAA9669")
FIND, SELECT, READ = b"\x20\x01", b"\x20\x02", b"\x30\x01"
FOUND = bytes.fromhex("0000 9F 00000000")
SELECTED = bytes.fromhex("0000 90 0000000000000000")
NO_CARD, SELECT_FAILED, READ_FAILED = b"\0\0\x80", b"\0\0\x81", b"\0\0\x41"


def frame(data: bytes) -> bytes:
    """Preamble, length of what follows, data, XOR of length and data."""
    body = (len(data) + 1).to_bytes(2, "big") + data
    check = 0
    for byte in body:
        check ^= byte
    return HEAD + body + bytes([check])


def card_text(fields: Mapping[int, str]) -> bytes:
    """256 bytes of blanks in UTF-16, little end first, with texts at their offsets."""
    text = bytearray(" ".encode("utf-16-le") * 128)
    for at, words in fields.items():
        raw = words.encode("utf-16-le")
        text[at : at + len(raw)] = raw
    return bytes(text)


def modern(name: str, number: str, mark: str = " ") -> bytes:
    """Resident card, residence permit (J) or the foreigner's card of 2023 (Y): alike so far."""
    dates = {188: "20200101", 204: "20400101"}
    return card_text({0: name, 30: "1", 36: number[6:14], 122: number, 248: mark, **dates})


def foreigner_old(name: str, number: str) -> bytes:
    """The permanent residence card before 2023 (I): 15 characters at offset 122."""
    about = {152: "USA", 188: "20200101", 204: "20400101", 220: "19740101", 248: "I"}
    return card_text({0: name, 120: "1", 122: number, **about})


def answer_to_read(text: bytes) -> bytes:
    """SW, lengths of text and photo, text, a photo of nothing."""
    return b"\0\0\x90" + b"\x01\x00\x04\x00" + text + bytes(1024)


@dataclass
class ForeignReader:
    """Answers on a pty; `mood` says how badly: good, slow, garbage, damaged, silent."""

    link: Path
    card: bytes | None = None
    mood: list[str] = field(default_factory=list)
    asked: int = 0
    _done: bool = False
    _stop: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._master, slave = os.openpty()
        tty.setraw(slave)
        self._slave = slave
        self.link.unlink(missing_ok=True)
        self.link.symlink_to(os.ttyname(slave))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join(5)
        os.close(self._master)
        os.close(self._slave)

    def lay(self, text: bytes | None) -> None:
        """Lays a card there, or lifts it."""
        self.card, self._done = text, False

    def _serve(self) -> None:
        heard = b""
        while not self._stop.is_set():
            if not select.select([self._master], [], [], 0.05)[0]:
                continue
            heard += os.read(self._master, 256)
            while (at := heard.find(HEAD)) >= 0 and len(heard) >= at + 7:
                size = int.from_bytes(heard[at + 5 : at + 7], "big")
                if len(heard) < at + 7 + size:
                    break
                command, heard = heard[at + 7 : at + 9], heard[at + 7 + size :]
                self.asked += 1
                self._say(self._answer(command))

    def _answer(self, command: bytes) -> bytes:
        there = self.card is not None and not self._done
        if command == FIND:
            return frame(FOUND if there else NO_CARD)
        if command == SELECT:
            return frame(SELECTED if there else SELECT_FAILED)
        if command != READ or self.card is None:
            return frame(READ_FAILED)
        if not self.mood or self.mood[0] in {"good", "slow", "garbage"}:
            self._done = True
        return frame(answer_to_read(self.card))

    def _say(self, raw: bytes) -> None:
        # Moods are for the long answer: that is where lines break.
        mood = self.mood.pop(0) if self.mood and len(raw) > 100 else "good"
        if mood == "silent":
            return
        if mood == "damaged":
            raw = raw[:50] + bytes([raw[50] ^ 0x10]) + raw[51:]
        if mood == "garbage":
            raw = b"\xaa\xaa\x00\xffnoise\xaa\xaa\xaa\x96" + raw
        if mood == "slow":
            for at in range(len(raw)):
                os.write(self._master, raw[at : at + 1])
            return
        os.write(self._master, raw)
