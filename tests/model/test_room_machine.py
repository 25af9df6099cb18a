"""The real loop with real doors: nothing opens without its cause, and everybody gets out.

Hypothesis does what people, locks and power do, in any order. At the end of each day whatever is
left behind a door is fetched by lawful means: the home venue's orders, two roles, and a card.
"""

from __future__ import annotations

import os

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from protocols.policy.room_fields import is_by_code
from protocols.policy.session import BEFORE_ENDED, Phase
from protocols.terms import OrderKind
from tests.edge.room_bench import CODE, COORDINATOR, SESSION, STAFF, STAFF2
from tests.model.bench_room import Room
from tests.model.room_walk import Setting

MEMBERS = 3
NUMBERS = st.integers(1, MEMBERS)
TWO_ROLES, ONE_ROLE = (STAFF, COORDINATOR), (STAFF, STAFF2)
PAIRS = st.sampled_from([TWO_ROLES, ONE_ROLE])
DAY = [one.value for one in OrderKind if one is not OrderKind.CLOSE]
BY_PERMIT = ("deposit", "release", "escorted")
LONG = os.environ.get("EVALROOM_PROPERTIES") == "long"


def by_code(number: int) -> dict[str, object]:
    """How an order comes that was typed as a code."""
    about = {"code": "0000", "typed_by": STAFF, "raw": ""}
    return {"id": f"k-{number}", "by": CODE, "via": "code", **about}


def test_a_day_as_it_should_be() -> None:
    room = Room(Setting(members=1, elsewhere=False))
    try:
        room.order("open")
        room.card(1)
        room.staff("deposit.declare", no=1, items=["phone"])
        room.poll()
        room.board.hand("put", 1)
        room.poll()
        room.board.hand("close", 1)
        room.poll()
        for word in ("start", "sign", "end"):
            room.restart()
            room.order(word)
        room.sign(1, "report")
        room.card(1)
        assert room.board.locker(1)["open"]
        assert [one["why"] for one in room.openings()] == ["deposit", "release"]
    finally:
        room.close()


class RoomDay(RuleBasedStateMachine):
    """One evaluation day in one room."""

    def __init__(self) -> None:
        super().__init__()
        self.room: Room | None = None
        self.forced: set[int] = set()

    @property
    def it(self) -> Room:
        assert self.room is not None
        return self.room

    @initialize(committee=st.booleans(), begun=st.booleans())
    def morning(self, committee: bool, begun: bool) -> None:
        setting = Setting(members=MEMBERS, committee=committee, elsewhere=False)
        self.room = Room(setting)
        self.it.order("open")
        if begun:
            for no in setting.numbers:
                self._admit(no)
            self.it.order("start")

    # -- people ------------------------------------------------------------------------------
    @rule(word=st.sampled_from(DAY), no=NUMBERS)
    def order(self, word: str, no: int) -> None:
        members = [no] if word == "member_release" else []
        self.it.order(word, members=members)

    @rule(word=st.sampled_from(DAY), old=st.integers(0, 2))
    def old_order(self, word: str, old: int) -> None:
        """Another order under a number that was given before: refused, whatever it says.

        All but the signed order behind a code, which says the same and moves nothing.
        """
        before, pulses = self.it.state.sessions[SESSION], len(self.it.pulses)
        n = before.last_n - old
        code = any(one.n == n and one.order == word and is_by_code(one) for one in before.orders)
        self.it.order(word, n=n, members=[1])
        (answer,) = self.it.answers
        after = self.it.state.sessions[SESSION]
        assert code or answer.result["ok"] is False
        assert (after.phase, after.last_n, len(self.it.pulses)) == (
            before.phase,
            before.last_n,
            pulses,
        )

    @rule(word=st.sampled_from(DAY), late=st.booleans())
    def order_by_code(self, word: str, late: bool) -> None:
        """A code counts once; the signed order that comes later opens and moves nothing."""
        if word == OrderKind.MEMBER_RELEASE:
            return
        self.it.order(word, exceptions=[], **by_code(self.it.acts))
        (answer,) = self.it.answers
        if answer.result["ok"] is not True:
            return
        n, pulses = self.it.state.sessions[SESSION].last_n, len(self.it.pulses)
        if late:
            self.it.restart()
            phase = self.it.state.sessions[SESSION].phase
            self.it.order(word, n=n, exceptions=[])
            assert self.it.answers[0].result == {"ok": True}
            assert self.it.state.sessions[SESSION].phase is phase
        self.it.order(word, n=n, exceptions=[], **by_code(self.it.acts))
        assert self.it.answers[0].result["ok"] is False
        assert len(self.it.pulses) == pulses

    @rule()
    def close(self) -> None:
        self.it.order("close")
        if self.it.state.sessions[SESSION].phase is Phase.CLOSED:
            # What was put in, or left in, by force is not the record's to know.
            left = {no for no in self.it.setting.numbers if self.it.board.locker(no)["item"]}
            assert left <= self.forced

    @rule(no=NUMBERS)
    def card(self, no: int) -> None:
        self.it.card(no)

    @rule()
    def stranger(self) -> None:
        self.it.card(0)

    @rule(no=NUMBERS)
    def declare(self, no: int) -> None:
        self.it.staff("deposit.declare", no=no, items=["phone"])

    @rule(no=NUMBERS)
    def admit(self, no: int) -> None:
        self._admit(no)

    def _admit(self, no: int) -> None:
        self.it.card(no)
        self.it.staff("deposit.declare", no=no, items=["phone"])
        self.it.poll()
        opening = self.it.state.lockers[no].opening
        if opening is not None and opening.why == "deposit" and self.it.board.locker(no)["open"]:
            self.it.board.hand("put", no)
            self._shut(no)

    @rule(no=NUMBERS)
    def sign(self, no: int) -> None:
        self.it.sign(no, "report")

    @rule(no=NUMBERS, act=st.sampled_from(["withdraw", "decline", "absent", "away.start"]))
    def becomes(self, no: int, act: str) -> None:
        self.it.staff(act, no=no, reason="toilet")

    @rule(no=NUMBERS)
    def confirm(self, no: int) -> None:
        self.it.staff("release.confirm", STAFF, no=no)

    @rule(no=NUMBERS, by=PAIRS)
    def escort(self, no: int, by: tuple[dict[str, str], ...]) -> None:
        self.it.staff("locker.escorted", *by, no=no, reason="urgent call")

    @rule(no=NUMBERS, by=PAIRS)
    def override(self, no: int, by: tuple[dict[str, str], ...]) -> None:
        before = len(self.it.pulses)
        self.it.command("locker.override", *by, locker=no)
        assert by == TWO_ROLES or len(self.it.pulses) == before
        if len(self.it.pulses) > before:
            self.forced.add(no)

    # -- doors -------------------------------------------------------------------------------
    @precondition(lambda self: self.room is not None)
    @rule(no=NUMBERS)
    def take(self, no: int) -> None:
        if self.it.board.locker(no)["open"]:
            self.it.board.hand("take", no)
            self.it.poll()

    @rule(no=NUMBERS)
    def put(self, no: int) -> None:
        opening = self.it.state.lockers[no].opening
        if opening is None or opening.why not in BY_PERMIT:
            return
        if self.it.board.locker(no)["open"]:
            self.it.board.hand("put", no)
            self.it.poll()

    @rule(no=NUMBERS)
    def shut(self, no: int) -> None:
        self._shut(no)

    def _shut(self, no: int) -> None:
        self.it.board.hand("close", no)
        self.it.poll()

    @rule(no=NUMBERS, on=st.booleans())
    def jam(self, no: int, on: bool) -> None:
        self.it.board.jam(no, on=on)

    @rule(no=NUMBERS)
    def key(self, no: int) -> None:
        """A key turns: the record says that nobody here has opened it."""
        before = self.it.state.lockers[no]
        if before.opening is not None or self.it.board.locker(no)["open"]:
            return
        self.it.board.hand("key_open", no)
        self.forced.add(no)
        assert "locker.unexplained" in self.it.poll()

    @rule(seconds=st.sampled_from([1, 10, 100]))
    def wait(self, seconds: int) -> None:
        self.it.tick(seconds)

    @rule(off_s=st.sampled_from([0, 5, 3600]))
    def restart(self, off_s: int) -> None:
        self.it.restart(off_s=off_s)

    # -- what holds --------------------------------------------------------------------------
    @invariant()
    def every_open_door_has_its_cause(self) -> None:
        if self.room is None:
            return
        assert len(self.it.pulses) == len(self.it.openings())
        for no in self.it.setting.numbers:
            opened = any(one.lock == no for one in self.it.pulses)
            if self.it.board.locker(no)["open"]:
                assert opened or no in self.forced

    def teardown(self) -> None:
        if self.room is None:
            return
        try:
            self._everybody_gets_out()
        finally:
            self.room.close()

    def _everybody_gets_out(self) -> None:
        for no in self.it.setting.numbers:
            self.it.board.jam(no, on=False)
            self._shut(no)
        session = self.it.state.sessions[SESSION]
        if session.phase in BEFORE_ENDED:
            self.it.order("terminate")
        for no in self.it.setting.numbers:
            self.it.tick(100)
            if self.it.board.locker(no)["item"] and no not in self.forced:
                self._fetched(no)

    def _fetched(self, no: int) -> None:
        self.it.order("member_release", members=[no])
        self.it.staff("release.confirm", STAFF, no=no)
        for _ in range(2):  # who was away is back first
            if not self.it.board.locker(no)["open"]:
                self.it.card(no)
        self.it.poll()
        assert self.it.board.locker(no)["open"], f"the phone of {no} has no lawful way out"
        self.it.board.hand("take", no)
        self._shut(no)


TestRoomDay = RoomDay.TestCase
TestRoomDay.settings = settings(
    max_examples=2_000 if LONG else settings().max_examples // 5,
    stateful_step_count=50 if LONG else 30,
    deadline=None,
)
