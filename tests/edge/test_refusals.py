"""What must not count, whatever it is: old, foreign, retained, out of date, or changed by one bit.

Threats 7, 8, 9 and 20: rows are what came (order, statement, command, code), columns what is wrong.
"""

from __future__ import annotations

import copy
import random
import secrets
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import apsw
import pytest

from edge import app
from edge.journal import Journal, StorageError
from hub import crypto
from protocols.messages.offline_code import CODE_BYTES, SLOTS, CodeList, code_text
from protocols.messages.trust import Position, Retired
from tests.edge import refusals as act
from tests.edge.crash_disk import ApswPort, Disk
from tests.edge.refusals import ELSEWHERE, Said, TwoRooms, a_morning, counted

pytestmark = pytest.mark.slow


@pytest.fixture
def rooms(tmp_path: Path) -> Iterator[TwoRooms]:
    made = TwoRooms(tmp_path)
    yield made
    made.close()


# -- what was taken once --------------------------------------------------------------------
def a_moment(rooms: TwoRooms) -> None:
    """It simply comes again."""


def a_restart(rooms: TwoRooms) -> None:
    rooms.guest.restart()


def fifty_years_back(rooms: TwoRooms) -> None:
    rooms.guest.years_back = 50
    rooms.guest.restart()


def fifty_years_forward(rooms: TwoRooms) -> None:
    rooms.guest.years_back = -50
    rooms.guest.restart()


def a_restored_hub(rooms: TwoRooms) -> None:
    """From an old backup: a higher generation (WIRE §5), and plans of which it remembers one."""
    rooms.guest.generation, rooms.guest.plans = 2, 0
    rooms.guest.plan(**rooms.carried())
    assert rooms.guest.service.intake.plan_ref().generation == 2


def an_older_plan(rooms: TwoRooms) -> None:
    """A hub that was restored and does not know it: its plan is refused, its orders too."""
    before = rooms.guest.service.intake.plan_ref()
    rooms.guest.generation, rooms.guest.plans = 0, 8
    rooms.guest.plan(**rooms.carried())
    assert rooms.guest.service.intake.plan_ref() == before
    assert rooms.guest.events("plan.refused")[-1].data["reason"] == "older"


def test_nothing_counts_twice_whatever_happened_in_between(rooms: TwoRooms) -> None:
    """Replay, also across a restart, a clock set back or forward, and a hub restored."""
    said = a_morning(rooms)
    before = counted(rooms.guest)
    assert [one.type for one in before].count("locker.opening") == 1
    between = (
        *(a_moment, a_restart, fifty_years_back, fifty_years_forward),
        *(a_restored_hub, an_older_plan, a_restart),
    )
    for what in between:
        what(rooms)
        for deliver in said.again(rooms.guest):
            deliver()
        for word, n in (("open", 1), ("start", 2), ("end", 2), ("terminate", 1)):
            told = "complete" if word == "end" else ""
            name = secrets.token_hex(16)
            again = act.an_order(rooms, n=n, word=word, name=name, committee=told)
            answer = rooms.guest.hub_sends(rooms.guest.wrapped("order", again))
            assert answer.get("ok") is not True or word == "open", (what.__name__, word)
        now = [one for one in counted(rooms.guest) if one.type != "order.confirmed"]
        assert now == before, what.__name__
    # The signed order behind the code was among them, and noted once.
    assert len(rooms.guest.events("order.confirmed")) == 1


def test_nothing_that_was_answered_counts_again_after_a_power_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The power goes in the moment after the answer; what no sync had written is lost or torn."""
    disk = Disk("refusals", cut_after=1_000_000)

    class Powered(Journal):
        """A journal on that disk."""

        @classmethod
        def open(cls, path: Path, **about: Any) -> Journal:  # type: ignore[override]
            return Journal.open(path, connect=on_disk, **about)

    def on_disk(path: Path) -> ApswPort:
        return ApswPort(apsw.Connection(str(path), vfs=disk.name))

    rooms = TwoRooms(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(app, "Journal", Powered)
        rooms.guest.restart()
        said = a_morning(rooms)
    before = counted(rooms.guest)
    disk.left = 0
    with pytest.raises(StorageError):
        rooms.guest.service.journal.kv_put("after", b"the cut")
    with pytest.raises((StorageError, apsw.Error)):
        rooms.guest.service.close()
    rooms.guest.service.journal.lock.release()
    state = rooms.guest.rig.folder / "state"
    whole = {path: copy.deepcopy(content) for path, content in disk.files.items()}
    for seed in range(4):
        disk.files = copy.deepcopy(whole)
        for left in state.glob("journal.sqlite*"):
            left.unlink()
        disk.cut(state, random.Random(seed))  # noqa: S311 - played again by its number
        rooms.guest.start()
        assert counted(rooms.guest) == before
        for deliver in said.again(rooms.guest):
            deliver()
        assert counted(rooms.guest) == before
        rooms.guest.service.close()
    rooms.home.close()
    rooms.guest.rig.stop()


# -- what never counts ----------------------------------------------------------------------
@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[TwoRooms, Said]]:
    """Rooms in which an evaluation runs; refusals leave them as they are."""
    made = TwoRooms(tmp_path_factory.mktemp("running"))
    yield made, a_morning(made)
    made.close()


def sent(rooms: TwoRooms, kind: str, raw: bytes, *, retained: bool = False, **more: str) -> str:
    """Sends it; returns the reason of the refusal as the room records it."""
    answer = rooms.guest.hub_sends(rooms.guest.wrapped(kind, raw, **more), retained=retained)
    types = [one for one in answer["types"] if one.endswith(".refused")]
    assert len(types) == 1, answer
    assert types[0] in ("order.refused", "statement.refused", "cmd.refused"), types
    return str(rooms.guest.events(types[0])[-1].data["reason"]).partition(":")[0]


def typed(rooms: TwoRooms, session: str, venue: str) -> str:
    """A code that is right for another session or venue, typed here."""
    drawn = [bytes((at % 251,)) * CODE_BYTES for at in range(len(SLOTS))]
    assert CodeList.of(session, venue, drawn).find(drawn[9]) == SLOTS[9]
    return str(rooms.guest.typed(code_text(drawn[9]))["reason"])


def suspend(rooms: TwoRooms, **more: Any) -> bytes:
    """An order that would count, were it not for `more`; each has a name of its own."""
    return act.an_order(rooms, n=9, word="suspend", name=secrets.token_hex(16), **more)


NEVER: dict[tuple[str, str], tuple[Callable[[TwoRooms], str], str]] = {
    ("order", "other session"): (
        lambda r: sent(r, "order", suspend(r, session=ELSEWHERE)),
        "other_session",
    ),
    ("statement", "other session"): (
        lambda r: sent(r, "statement", act.a_statement(r, session=ELSEWHERE)),
        "other_session",
    ),
    ("code", "other session"): (lambda r: typed(r, ELSEWHERE, "changsha"), "wrong_code"),
    ("order", "other venue"): (
        lambda r: sent(r, "order", suspend(r, venues=("hubei",))),
        "other_venue",
    ),
    ("order", "other venue's key"): (
        lambda r: sent(r, "order", suspend(r, by=r.keys.coordinator)),
        "unsigned",
    ),
    ("statement", "other venue's key"): (
        lambda r: sent(r, "statement", act.a_statement(r, signer=r.keys.staff.signer)),
        "unsigned",
    ),
    ("code", "other venue"): (lambda r: typed(r, act.SESSION, "hubei"), "wrong_code"),
    ("order", "other room"): (
        lambda r: sent(r, "order", suspend(r), ctl="c-ffffffffffff"),
        "other_room",
    ),
    ("command", "other room"): (
        lambda r: sent(r, "command", act.a_command(r, name="9" * 32), ctl="c-ffffffffffff"),
        "other_room",
    ),
    ("order", "retained"): (
        lambda r: sent(r, "order", suspend(r), retained=True),
        "retained",
    ),
    ("statement", "retained"): (
        lambda r: sent(r, "statement", act.a_statement(r), retained=True),
        "retained",
    ),
    ("command", "retained"): (
        lambda r: sent(r, "command", act.a_command(r, name="9" * 32), retained=True),
        "retained",
    ),
    ("order", "the hub's key"): (
        lambda r: sent(r, "order", by_hub(r)),
        "unsigned",
    ),
    ("command", "one signer"): (
        lambda r: sent(r, "command", act.a_command(r, r.keys.staff.signer, name="9" * 32)),
        "unsigned",
    ),
    ("command", "one signer and the hub"): (
        lambda r: sent(
            r,
            "command",
            act.a_command(r, r.keys.staff.signer, crypto.signer(r.keys.hub, "hub"), name="9" * 32),
        ),
        "unsigned",
    ),
    ("command", "two of one role"): (
        lambda r: sent(
            r, "command", act.a_command(r, r.keys.staff.signer, r.keys.home_staff.signer)
        ),
        "unsigned",
    ),
}
"""(what, what is wrong with it) -> how it is sent, and the reason the record gives."""


def by_hub(rooms: TwoRooms) -> bytes:
    """An order in the hub's own name; the trust file of these rooms says no."""
    order = act.Order("9" * 32, act.SESSION, 9, "suspend", "hub")
    return order.seal([crypto.signer(rooms.keys.hub, "hub")])


@pytest.mark.parametrize(("what", "wrong"), NEVER)
def test_what_is_foreign_never_counts(
    running: tuple[TwoRooms, Said], what: str, wrong: str
) -> None:
    rooms, _ = running
    deliver, reason = NEVER[what, wrong]
    before = counted(rooms.guest)

    assert deliver(rooms) == reason
    assert counted(rooms.guest) == before


@pytest.mark.parametrize("kind", ["order", "statement", "command"])
def test_a_key_that_is_retired_signs_nothing_any_more(rooms: TwoRooms, kind: str) -> None:
    """Out of date: the venue's own key, and with it whoever it certified."""
    a_morning(rooms)
    guest, before = rooms.guest, counted(rooms.guest)
    trust = rooms.keys.trust()
    ends = tuple(Retired(one.kid, Position("h-0123456789ab", "e" * 32, 1)) for one in trust.venues)
    file = guest.rig.folder / "credentials" / "trust.json"
    file.write_bytes(replace(trust, retired=ends, epochs=("e" * 32,)).encode())
    guest.restart()
    raw = {
        "order": lambda: suspend(rooms),
        "statement": lambda: act.a_statement(rooms, signer=rooms.keys.manager.signer),
        "command": lambda: act.a_command(rooms, name="9" * 32),
    }[kind]()

    assert sent(rooms, kind, raw) == "unsigned"
    assert counted(guest) == before


def test_a_command_that_waited_is_refused_by_a_room_that_does_not_know_the_time(
    rooms: TwoRooms,
) -> None:
    a_morning(rooms)
    before = counted(rooms.guest)
    rooms.guest.service.intake.at_trust = lambda: "none"

    late = act.a_command(rooms, name="9" * 32)
    assert sent(rooms, "command", late, re="ab" * 8) == "not_fresh"
    assert counted(rooms.guest) == before


def test_a_code_of_a_session_that_is_closed_opens_nothing(rooms: TwoRooms) -> None:
    code, guest = rooms.read_out(rooms.issued("open")[0]), rooms.guest
    for n, word in ((2, "terminate"), (3, "close")):
        guest.hub_sends(guest.wrapped("order", act.an_order(rooms, n=n, word=word)))
    before = counted(guest)

    assert guest.typed(code)["ok"] is False
    assert counted(guest) == before


@pytest.mark.parametrize("at", range(3), ids=["order", "statement", "command"])
def test_one_bit_of_any_byte_and_it_is_refused(running: tuple[TwoRooms, Said], at: int) -> None:
    rooms, _ = running
    kind, raw = act.messages(rooms, at)[at]
    chance = random.Random(at)  # noqa: S311 - the same flips at every run
    before = counted(rooms.guest)

    flips = act.flipped(rooms.guest, kind, raw, chance)
    flips += act.flipped_wrapper(rooms.guest, kind, raw, chance)

    assert flips > 1_000
    assert counted(rooms.guest) == before
