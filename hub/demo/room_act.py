"""What happens in a room: arriving, depositing, sitting, leaving for a while, going home.

Every hand movement is a board's control command, every staff act goes over the screen with PINs.
Each is looked for before and after, for a process may die at any moment.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hub.demo import look
from hub.demo.clients import Screen
from hub.demo.day import Day, ensure
from hub.demo.people import Member, id_number
from hub.demo.supervise import until
from hub.demo.town import FIRST_MAT_PIN, MAINS_PIN, RoomSite

PRESSED, FREE = 0, 1  # mats and the mains contact pull their pin down
STAFF_HOME = ("room_staff", "witness")
STAFF_GUEST = ("room_staff", "guest_coordinator")


@dataclass(slots=True)
class RoomHands:
    """The hands in one room."""

    day: Day
    site: RoomSite

    @property
    def screen(self) -> Screen:
        """The room's screen."""
        return self.site.screen()

    @property
    def session(self) -> str:
        """The day's session."""
        return self.day.session

    def state(self) -> dict[str, Any]:
        """What the screen shows."""
        return self.screen.state()

    def staff(self, count: int = 1) -> list[tuple[str, str]]:
        """One or two staff members of this venue with their PINs."""
        roles = STAFF_HOME if self.site is self.day.town.home else STAFF_GUEST
        return self.day.town.by(*(f"{self.site.org}.{role}" for role in roles[:count]))

    def act(self, act: str, args: dict[str, Any], count: int = 1) -> Any:
        """A staff act on the screen."""
        return self.screen.act(act, self.session, args, self.staff(count))

    def step(self, member: Member) -> str:
        """How far a member has come."""
        return look.step(self.state(), self.session, member.no)

    def locker_of(self, member: Member) -> int:
        """The member's locker."""
        return int(look.member(self.state(), self.session, member.no)["locker"])

    def selftest(self) -> None:
        """Staff starts the self-test in the morning; every device must answer."""
        self.site.hand("pins").do(pin=MAINS_PIN, level=PRESSED)
        ensure(
            f"self-test of {self.site.place}",
            lambda: (self.state().get("selftest") or {}).get("ok"),
            lambda: self.act("selftest.run", {}),
        )

    def check_in(self, member: Member) -> None:
        """From the door to the seat."""
        if member.card:
            self.by_card(member)
        else:
            self.by_two_staff(member)
        self.deposit(member)
        self.sit(member)

    def by_card(self, member: Member) -> None:
        """The member's own card on the reader."""
        reader = self.site.hand("idcard")
        ensure(
            f"{member.no}号评委 identified",
            lambda: self.step(member) != "expected",
            lambda: self.present(member.name, member.number),
        )
        reader.do(do="remove")

    def present(self, name: str, number: str) -> None:
        """Lays a card on the reader; one that lay there before is lifted first."""
        reader = self.site.hand("idcard")
        reader.do(do="remove")
        self.day.pause(0.8)
        reader.do(do="insert", layout="resident", name=name, number=number)

    def by_two_staff(self, member: Member) -> None:
        """No card: another document, two staff, before anything is deposited."""
        ensure(
            f"{member.no}号评委 identified by two",
            lambda: self.step(member) != "expected",
            lambda: self.act("identify.two_staff", {"no": member.no, "document": "护照"}, count=2),
        )

    def deposit(self, member: Member) -> None:
        """Questions answered, items declared, door open, items in, door closed."""
        answers = {"no": member.no, "health": True, "recusal": True, "commitment": True}
        ensure(
            f"{member.no}号评委 answers",
            lambda: look.member(self.state(), self.session, member.no).get("steps"),
            lambda: self.act("steps.record", answers),
        )
        number = self.locker_of(member)
        ensure(
            f"locker {number} opens for {member.no}号评委",
            lambda: self._door(number) == "open" or self.step(member) != "identified",
            lambda: self.act("deposit.declare", {"no": member.no, "items": list(member.items)}),
        )
        board = self.site.hand("locker")
        if self.step(member) == "identified":
            board.do(do="put", lock=number)
            self.day.pause(0.6)
        ensure(
            f"{member.no}号评委 deposited",
            lambda: self.step(member) not in {"identified", "expected"},
            lambda: self._close_and_confirm(member, number),
        )

    def sit(self, member: Member) -> None:
        """The member sits down: radar and mat."""
        ensure(
            f"{member.no}号评委 seated",
            lambda: self.step(member) == "seated",
            lambda: self.seat(member, taken=True),
        )

    def seat(self, member: Member, *, taken: bool) -> None:
        """Moves mat and radar of a member's station."""
        pin = FIRST_MAT_PIN + member.station - 1
        radar = self.site.hand(f"radar{member.station}")
        radar.do(do="target", value="both" if taken else "none")
        self.site.hand("pins").do(pin=pin, level=PRESSED if taken else FREE)

    def stranger(self) -> None:
        """A card of somebody who is no member."""
        self.present("王某某", id_number(self.day.rng))
        self.day.pause(2.0)
        self.site.hand("idcard").do(do="remove")

    def leave_and_return(self, member: Member, reason: str, seconds: float) -> None:
        """Toilet leave with an escort; the locker stays closed."""
        about = {
            "no": member.no,
            "reason": reason,
            "consent_by": "lead",
            "escort": "CS-12",
            "expected_min": 5,
        }
        ensure(
            f"{member.no}号评委 leaves for a while",
            lambda: look.is_away(self.state(), self.session, member.no),
            lambda: self.act("away.start", about),
        )
        self.seat(member, taken=False)
        self.day.pause(seconds)
        self.seat(member, taken=True)
        ensure(
            f"{member.no}号评委 is back",
            lambda: not look.is_away(self.state(), self.session, member.no),
            lambda: self.act("away.end", {"no": member.no}),
        )

    def confirm_saved(self) -> None:
        """Before resuming, each member confirms that the saved scores are right."""
        for member in self.day.of(self.site.org):
            self._confirm_one(member)

    def go_home(self, member: Member) -> None:
        """Card at the locker, items out, door closed, seat empty, out."""
        number = self.locker_of(member)
        ensure(
            f"locker {number} opens for release",
            lambda: self._door(number) == "open" or self.step(member) in {"released", "left"},
            lambda: self._ask_for_door(member),
        )
        board = self.site.hand("locker")
        ensure(
            f"{member.no}号评委 released",
            lambda: self.step(member) in {"released", "left"},
            lambda: (board.do(do="take", lock=number), board.do(do="close", lock=number)),
        )
        self.site.hand("idcard").do(do="remove")
        self.seat(member, taken=False)
        ensure(
            f"{member.no}号评委 left",
            lambda: self.step(member) == "left",
            lambda: self.act("left.confirm", {"no": member.no}),
        )

    def confirm_empty(self) -> None:
        """Without item beams nobody but two people can say that a locker is empty."""
        if self.site.board == "cu16":
            return
        for member in self.day.of(self.site.org):
            self._confirm_empty(self.locker_of(member))

    def _confirm_empty(self, number: int) -> None:
        def done() -> bool:
            rows = look.session_of(self.state(), self.session)["close_conditions"]
            return all(row["waiting_for"] != f"locker:{number}" for row in rows)

        ensure(
            f"locker {number} confirmed empty",
            done,
            lambda: self.act("locker.confirm_empty", {"locker": number}, count=2),
        )

    def _confirm_one(self, member: Member) -> None:
        ensure(
            f"{member.no}号评委 confirms the saved scores",
            lambda: look.member(self.state(), self.session, member.no).get("saved"),
            lambda: self.act("saved.confirm", {"no": member.no}),
        )

    def _ask_for_door(self, member: Member) -> None:
        if member.card:
            self.present(member.name, member.number)
        else:
            self.act("identify.two_staff", {"no": member.no, "document": "护照"}, count=2)

    def _close_and_confirm(self, member: Member, number: int) -> None:
        self.site.hand("locker").do(do="close", lock=number)
        if self.site.board == "cu16":
            return
        until(
            f"confirmation of locker {number} is asked",
            lambda: (
                look.member(self.state(), self.session, member.no).get("confirm_due")
                or self.step(member) == "deposited"
            ),
            within_s=5,
        )
        if self.step(member) == "identified":
            self.act("deposit.confirm", {"no": member.no})

    def _door(self, number: int) -> str:
        return str(look.locker(self.state(), number)["door"])
