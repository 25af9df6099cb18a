"""Who sees what: the one rule by which every read and every act of the hub is scoped.

A session belongs to the organisations that take part in it, a room to the organisation it stands
in. Whoever may not see a thing is told that it does not exist. Nothing here reads or writes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final, Protocol

from hub.fleet.rooms import RoomView
from protocols.policy.room_model import RoomState

BOOKING_ROLES: Final = frozenset({"operator", "home_manager", "deputy", "guest_coordinator"})
"""They look for free stations, so they see when partners' stations are taken, not by whom."""
HOME_ONLY: Final = frozenset({"supervisor", "tenderer_agent"})
"""They follow the projects of their own organisation; being host to another gives no right."""
NO_RECORDINGS: Final = frozenset({"tenderer_agent", "service"})
"""They take part, but recordings and identities are not theirs to look at."""
BROAD_TOPICS: Final = frozenset({"board", "events", "bookings"})
"""Words of the live stream that say "look again" and name nothing."""
KEEPING: Final = frozenset({"administrator", "technician"})
KEEPING_TOPICS: Final = frozenset({"quarantine", "unreadable"})


class Reader(Protocol):
    """Who looks: organisation and roles of a signed-in person."""

    @property
    def org(self) -> str:
        """Organisation."""
        ...

    @property
    def roles(self) -> Any:
        """Roles held."""
        ...


class Shared(Protocol):
    """What the rule asks of a session or booking."""

    @property
    def home_org(self) -> str:
        """The home venue's organisation."""
        ...

    @property
    def orgs(self) -> tuple[str, ...]:
        """Every organisation that takes part."""
        ...


class SharedRooms(Shared, Protocol):
    """A session with the rooms it uses."""

    @property
    def places(self) -> tuple[str, ...]:
        """Ids of its rooms."""
        ...


def sees_session(actor: Reader, link: Shared | None) -> bool:
    """Whether this person may know of a session: its booking, cases, timeline and packages."""
    if link is None or not actor.roles:
        return False
    if actor.org == link.home_org:
        return True
    return actor.org in link.orgs and not _only(actor, HOME_ONLY)


def sees_room(actor: Reader, *, org: str, place: str, links: Iterable[SharedRooms]) -> bool:
    """Whether this person may see a room: his organisation's own, or one a session shares.

    Args:
        actor: who looks.
        org: the organisation the room stands in.
        place: the room's id.
        links: sessions of today and later that use rooms.
    """
    if actor.org == org and actor.roles and not _only(actor, frozenset({"tenderer_agent"})):
        return True
    return any(place in link.places and sees_session(actor, link) for link in links)


def sees_case(actor: Reader, *, org: str, link: Shared | None) -> bool:
    """Whether this person may see a case; one outside of a session belongs to the room's owner."""
    if link is not None:
        return sees_session(actor, link)
    return actor.org == org and not _only(actor, HOME_ONLY)


def sees_identities(actor: Reader) -> bool:
    """Whether this person may see the masked identities of his own organisation's members."""
    return not _only(actor, NO_RECORDINGS)


def sees_recordings(actor: Reader) -> bool:
    """Whether recordings of the sessions this person sees are for him to look at."""
    return not _only(actor, NO_RECORDINGS)


def sees_org(actor: Reader, org: str, partners: Collection[str]) -> bool:
    """Whether an organisation's rooms and free times are shown to this person for booking."""
    if actor.org == org:
        return True
    return org in partners and bool(BOOKING_ROLES & set(actor.roles))


def home_only(actor: Reader) -> bool:
    """Whether being host to others' sessions gives this person nothing to see."""
    return _only(actor, HOME_ONLY)


def rooms_seen(
    actor: Reader,
    rooms: Iterable[RoomView],
    *,
    links: Iterable[SharedRooms],
    known: Mapping[str, Shared],
) -> list[RoomView]:
    """The rooms this person sees, without the sessions, faults, alarms and notices he does not.

    Args:
        actor: who looks.
        rooms: all rooms.
        links: sessions of today and later.
        known: session id -> session, of every session the rooms name.
    """
    standing = tuple(links)
    return [
        _trimmed(actor, room, known)
        for room in rooms
        if sees_room(actor, org=room.org, place=room.place, links=standing)
    ]


def _trimmed(actor: Reader, room: RoomView, known: Mapping[str, Shared]) -> RoomView:
    def seen(session: str) -> bool:
        if not session:
            return True
        # What no booking knows can only be the room's own, for example a self-test.
        return sees_case(actor, org=room.org, link=known.get(session))

    notices = tuple(one for one in room.notices if seen(one.session))
    alarms = tuple(one for one in room.alarms if seen(one.session))
    state = room.state
    if isinstance(state, RoomState):
        state = replace(
            state,
            sessions={key: one for key, one in state.sessions.items() if seen(key)},
            faults={key: one for key, one in state.faults.items() if seen(one.session)},
        )
    return replace(room, state=state, notices=notices, alarms=alarms)


def _only(actor: Reader, roles: frozenset[str]) -> bool:
    """Whether the person holds nothing but these roles; another role gives its own rights."""
    return bool(actor.roles) and set(actor.roles) <= roles
