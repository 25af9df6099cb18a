"""One order, statement, command and code that a guest's room took, and what must not count.

A message of a person comes in the hub's wrapper, and the hub may be anybody's: whatever it wraps
anew, only the person's own signature makes it count.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from hub import crypto
from protocols.messages.acts import Command, Expect, Order, Statement
from protocols.messages.errors import RemoteError
from protocols.messages.event import Event
from protocols.messages.signed import Signer
from tests.edge.two_rooms import Room, TwoRooms
from tests.system.room_rig import SESSION

ACCEPTED: Final = (
    "order.accepted",
    "order.confirmed",
    "statement.accepted",
    "cmd.accepted",
    "locker.opening",
    "phase.changed",
)
"""Whatever comes of a message that counts."""
NEEDS: Final = ("members_seated", "av_recording", "system_reachable")
ELSEWHERE: Final = "s-ffffffffffff"


def system(rooms: TwoRooms) -> Signer:
    return crypto.signer(rooms.keys.system, "system")


def an_order(rooms: TwoRooms, n: int = 2, word: str = "start", **more: Any) -> bytes:
    manager = rooms.keys.manager
    by = more.pop("by", manager)
    name = more.pop("name", f"{n:032x}")
    about = {"exceptions": NEEDS if word == "start" else (), **more}
    session = about.pop("session", SESSION)
    return Order(name, session, n, word, by.person, **about).seal([by.signer])


def a_statement(rooms: TwoRooms, session: str = SESSION, signer: Signer | None = None) -> bytes:
    said = Statement(session, "x1", "report", "signed", "0" * 64)
    return said.seal([signer or system(rooms)])


def a_command(rooms: TwoRooms, *signers: Signer, name: str = "c" * 32, **more: Any) -> bytes:
    two = signers or (rooms.keys.staff.signer, rooms.keys.coordinator.signer)
    epoch, seq = rooms.guest.service.runtime.state.revs.get("locker:1", ("", 0))
    expect = Expect("locker:1", epoch, seq)
    return Command(name, "locker.override", {"locker": 1, **more}, expect).seal(two)


@dataclass(frozen=True)
class Said:
    """What a guest's room was sent, and what was read to it, as it was."""

    code: str
    open: bytes
    order: bytes
    statement: bytes
    command: bytes

    def again(self, room: Room) -> Iterator[Callable[[], Any]]:
        """Each of it once more, in wrappers that the hub makes anew."""
        yield lambda: room.typed(self.code)
        yield lambda: room.hub_sends(room.wrapped("order", self.order))
        yield lambda: room.hub_sends(room.wrapped("statement", self.statement))
        yield lambda: room.hub_sends(room.wrapped("command", self.command))


def a_morning(rooms: TwoRooms) -> Said:
    """One of each, all of them taken: the code opens, the order starts, a door is forced open."""
    n, raw = rooms.issued("open")
    code = rooms.read_out(n)
    guest = rooms.guest
    assert guest.typed(code)["ok"]
    order, statement = an_order(rooms), a_statement(rooms)
    assert guest.hub_sends(guest.wrapped("order", order))["ok"]
    assert guest.hub_sends(guest.wrapped("statement", statement))["ok"]
    command = a_command(rooms)
    assert guest.hub_sends(guest.wrapped("command", command))["ok"]
    return Said(code, raw, order, statement, command)


def counted(room: Room) -> list[Event]:
    """Everything on the room's record that came of messages."""
    return room.events(*ACCEPTED)


# -- flipped bits ---------------------------------------------------------------------------
def messages(rooms: TwoRooms, at: int) -> list[tuple[str, bytes]]:
    """An order, a statement and a command that the guest's room would take, and never took."""
    return [
        ("order", an_order(rooms, n=1000 + at, word="suspend", name=f"{at:032x}")),
        ("statement", a_statement(rooms)),
        ("command", a_command(rooms, name=f"c{at:031x}")),
    ]


def flipped(room: Room, kind: str, raw: bytes, chance: random.Random) -> int:
    """Flips one bit of every byte in turn, inside a wrapper the hub made anew; returns how many.

    Raises:
        AssertionError: the room took one.
    """
    for at, byte in enumerate(raw):
        other = raw[:at] + bytes([byte ^ 1 << chance.randrange(8)]) + raw[at + 1 :]
        _refused(room, room.wrapped(kind, other), f"{kind}, byte {at}")
    return len(raw)


def flipped_wrapper(room: Room, kind: str, raw: bytes, chance: random.Random) -> int:
    """The same with the hub's wrapper itself, as somebody on the line could."""
    whole = room.wrapped(kind, raw)
    for at, byte in enumerate(whole):
        other = whole[:at] + bytes([byte ^ 1 << chance.randrange(8)]) + whole[at + 1 :]
        _refused(room, other, f"wrapper of {kind}, byte {at}")
    return len(whole)


def _refused(room: Room, raw: bytes, what: str) -> None:
    try:
        turns = room.service.intake.command(raw, retained=False)
    except RemoteError:
        return
    assert not any(one.kind in ("order", "statement", "command") for one in turns), what


def prove(rooms: TwoRooms, count: int, seed: int) -> int:
    """`count` messages, every byte of each flipped once; returns how many flips were refused."""
    chance = random.Random(seed)  # noqa: S311 - a seed must play the same flips again
    total = 0
    for at in range(count):
        kind, raw = messages(rooms, at)[at % 3]
        turns = rooms.guest.service.intake.command(rooms.guest.wrapped(kind, raw), retained=False)
        assert [one.kind for one in turns] == [kind], f"{kind} {at} as it was"
        total += flipped(rooms.guest, kind, raw, chance)
    return total


def main() -> None:
    """`python -m tests.edge.refusals --messages 1000`: the last line says how many were refused."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--messages", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rooms = TwoRooms(Path(folder))
        try:
            a_morning(rooms)
            before = len(counted(rooms.guest))
            refused = prove(rooms, asked.messages, asked.seed)
            assert len(counted(rooms.guest)) == before
        finally:
            rooms.close()
    sys.stdout.write(f"{asked.messages} messages, seed {asked.seed}, 0 accepted\n")
    sys.stdout.write(f"n = {refused}\n")


if __name__ == "__main__":
    main()
