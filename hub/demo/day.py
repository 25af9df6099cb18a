"""What every act of the demonstration shares: the town, the people, the booking, the pace."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from hub.demo.clients import HubUser, RefusedError
from hub.demo.people import Member
from hub.demo.supervise import TooLateError, until
from hub.demo.town import RoomSite, Town

CHINA = timezone(timedelta(hours=8), "Asia/Shanghai")
# A fixed Tuesday of 2026, whose official calendar is known: the same day on every machine.
EVALUATION_AT = datetime(2026, 11, 24, 9, 0, tzinfo=CHINA)
ARRIVE_BEFORE = timedelta(seconds=22)  # how long before the planned start the doors open


@dataclass(slots=True)
class Day:
    """One demonstration day in progress.

    Args:
        pace: factor on the script's own pauses; durations of things that happen are never scaled.
    """

    town: Town
    rng: random.Random
    members: list[Member]
    pace: float
    say: Callable[[str], None]
    booking: str = ""
    session: str = ""
    packages: dict[str, str] = field(default_factory=dict)
    written: dict[str, set[tuple[str, int, str]]] = field(default_factory=dict)
    _pause: threading.Event = field(default_factory=threading.Event)

    def pause(self, seconds: float) -> None:
        """A pause of the script, for those who watch."""
        self._pause.wait(seconds / self.pace)

    def user(self, org: str, role: str) -> HubUser:
        """A person of an organisation at the hub."""
        return self.town.user(f"{org}.{role}")

    def manager(self) -> HubUser:
        """The home venue's manager on duty."""
        return self.user(self.town.home.org, "home_manager")

    def of(self, org: str) -> list[Member]:
        """The members who sit at one venue."""
        return [member for member in self.members if member.org == org]

    def view(self) -> dict[str, Any]:
        """The session as the hub sees it."""
        answer: dict[str, Any] = self.manager().get(f"sessions/{self.session}")
        return answer


def at_once(acts: Sequence[Callable[[], object]]) -> None:
    """Does several things at the same time; the first failure is raised when all have ended."""
    failures: list[BaseException] = []

    def run(act: Callable[[], object]) -> None:
        try:
            act()
        except BaseException as error:  # noqa: BLE001 - carried to the caller, which raises it
            failures.append(error)

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def ensure(
    what: str,
    done: Callable[[], object],
    act: Callable[[], object],
    *,
    tries: int = 8,
    within_s: float = 8.0,
) -> None:
    """Acts until it is done: looks first, acts, looks again; an act may be lost or come twice.

    Processes may be killed at any moment of the day, so nothing is believed but what is seen.

    Raises:
        TooLateError: not done after the last try.
        RefusedError: refused, and not done either.
    """
    refused: RefusedError | None = None
    for _ in range(tries):
        try:
            if done():
                return
            act()
            refused = None
        except RefusedError as error:
            refused = error
        except (OSError, TooLateError):
            pass  # the act, or a step of it, met a process that was just dying
        try:
            until(what, done, within_s=within_s if refused is None else 1.0)
        except OSError:
            continue
        except TooLateError:
            if refused is not None and refused.status not in {404, 409, 423, 429}:
                raise refused from None
            continue
        return
    if refused is not None:
        raise refused
    until(what, done, within_s=within_s)


def utc(moment: datetime) -> datetime:
    """The same instant in UTC."""
    return moment.astimezone(UTC)


def room_of(day: Day, org: str) -> RoomSite:
    """The room of an organisation."""
    return next(site for site in day.town.rooms if site.org == org)
