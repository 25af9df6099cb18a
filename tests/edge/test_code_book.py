"""The home room's offline codes: drawn once, told as hashes only, wiped when the session ends."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from edge.clock import Clock
from edge.code_book import KV_CODES, CodeBook
from edge.journal import Journal
from edge.remote import kept_with
from edge.room import Draft
from hub import crypto
from protocols.messages.offline_code import CODE_BYTES, SLOTS, CodeList, Slot, read_code
from protocols.messages.signed import parse_message
from tests.edge.room_bench import SESSION, session_plan

HOME = session_plan(role="home", org="hubei")
SIGNERS = (crypto.signer(crypto.new_seed(), "controller"),)


@dataclass
class Room:
    """A journal and what the loop does with the book's turns."""

    journal: Journal
    closed: set[str] = field(default_factory=set)
    drawn: int = 0

    def book(self) -> CodeBook:
        return CodeBook(self.journal, self.draw, SIGNERS, self.closed.__contains__)

    def draw(self, count: int) -> bytes:
        self.drawn += 1
        return secrets.token_bytes(count)

    def told(self, *plans: dict[str, Any]) -> list[Draft]:
        """A plan arrives, or the room starts again: what comes of it goes on the record."""
        turns = self.book().learn(plans)
        drafts = [Draft(one.data["type"], one.data["session"], one.data["data"]) for one in turns]
        self.journal.append(drafts, kv=kept_with(drafts))
        return drafts

    def files(self, secret: bytes) -> list[str]:
        folder = self.journal.path.parent
        return [one.name for one in folder.iterdir() if secret in one.read_bytes()]


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    path, about = tmp_path / "journal.sqlite", {"ctl": "c-0123456789ab", "boot": "boot"}
    journal = Journal.open(path, clock=Clock(), entropy=secrets.token_bytes, **about)
    yield Room(journal)
    journal.close()


def test_a_code_for_each_slot_of_each_guest_and_only_their_hashes_are_told(room: Room) -> None:
    (told,) = room.told(HOME)

    assert (told.type, told.session, set(told.data)) == ("codes.drawn", SESSION, {"venue", "raw"})
    listed = CodeList.read(parse_message(told.data["raw"].encode(), limit=16_384))
    assert (listed.session, listed.venue) == (SESSION, "changsha")
    assert room.drawn == len(SLOTS)
    for slot in SLOTS[::31]:
        code = read_code(room.book().text(SESSION, "changsha", slot))
        assert listed.find(code) == slot
        assert code.hex() not in told.data["raw"]
    assert room.book().text(SESSION, "wuhan", SLOTS[0]) == ""


def test_they_are_drawn_and_told_once_whatever_is_restarted(room: Room) -> None:
    room.told(HOME)
    before = room.book().text(SESSION, "changsha", Slot(5, "sign"))
    assert room.told(HOME) == []
    assert room.book().text(SESSION, "changsha", Slot(5, "sign")) == before
    assert room.drawn == len(SLOTS)


def test_what_was_drawn_but_not_told_before_the_power_went_is_told_after(room: Room) -> None:
    (lost,) = room.book().learn([HOME])
    (told,) = room.told(HOME)
    assert told.data == lost.data["data"]


def test_a_venue_that_joins_gets_codes_and_the_others_keep_theirs(room: Room) -> None:
    room.told(HOME)
    before = room.book().text(SESSION, "changsha", SLOTS[0])
    more = {**HOME, "venues": [*HOME["venues"], {"org": "wuhan", "role": "guest"}]}
    (told,) = room.told(more)
    assert told.data["venue"] == "wuhan"
    assert room.book().text(SESSION, "changsha", SLOTS[0]) == before


def test_a_guest_room_draws_nothing(room: Room) -> None:
    assert room.told(session_plan()) == []
    assert room.drawn == 0


@pytest.mark.parametrize("by", ["the order to close", "the next start"])
def test_a_closed_session_s_codes_are_in_no_file(room: Room, by: str) -> None:
    room.told(HOME)
    kept = room.journal.kv_get(KV_CODES + SESSION) or b""
    assert len(kept) > 2 * CODE_BYTES * len(SLOTS)
    assert room.files(kept[:400])
    room.closed.add(SESSION)
    if by == "the order to close":
        room.book().forget(SESSION)
    assert room.told(HOME) == []
    assert room.files(kept[:400]) == []
    assert room.book().text(SESSION, "changsha", SLOTS[0]) == ""
