"""Fleet health: every room's line, record and devices, each with its age."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from hub.fleet.confirming import SentCommand
from hub.fleet.rooms import RoomView
from hub.web.i18n import Both, Text, catalogue, say
from hub.web.templating import local
from hub.web.views_common import Shape, State, room_text
from hub.web.views_lanes_make import stream_text
from hub.web.views_told import CommandRow, ToldView, age_text, command_rows, told_view


@dataclass(frozen=True, slots=True)
class DeviceRow:
    """One device: what was last read of it, and how long that has been so."""

    name: str
    kind: Text
    state: State
    note: Text


@dataclass(frozen=True, slots=True)
class RoomHealth:
    """One room's controller.

    Attributes:
        told: what it last said of itself.
        alarms: alarms of its record that somebody still has to end.
        held: it was found twice, its commands wait; `may_release`: this reader may let them go.
        commands: the newest ones, of the reader's own rooms.
    """

    ctl: str
    name: Text
    link: State
    facts: tuple[tuple[Text, Text], ...]
    devices: tuple[DeviceRow, ...]
    old: bool
    told: ToldView
    alarms: int
    held: bool = False
    may_release: bool = False
    commands: tuple[CommandRow, ...] = ()


@dataclass(frozen=True, slots=True)
class DevicesView:
    """The whole fleet."""

    now: datetime
    rooms: tuple[RoomHealth, ...]
    summary: Text


def link_state(room: RoomView) -> State:
    """Reachable, silent, or not known since the hub started; silent is never called dead."""
    if room.link.reachable is True:
        text = say("fleet.catching_up") if room.catching_up else say("fleet.reachable")
        return State(Shape.NOW if room.catching_up else Shape.OK, text)
    if room.link.reachable is False:
        return State(Shape.UNKNOWN, say("fleet.silent"))
    return State(Shape.UNKNOWN, say("fleet.unsure"))


def _facts(room: RoomView) -> tuple[tuple[Text, Text], ...]:
    state = room.state
    rows: list[tuple[Text, Text]] = [
        (say("fleet.age"), age_text(room.age_s)),
        (say("fleet.record"), _record_text(room)),
        (say("fleet.outbox"), "–" if room.link.outbox is None else str(room.link.outbox)),
    ]
    if state is not None:
        rows.append((say("fleet.software"), state.software or "–"))
        if state.plan is not None:
            rows.append((say("fleet.plan"), f"{state.plan.generation}.{state.plan.n}"))
        if state.selftest is not None:
            key = "board.tile.selftest_ok" if state.selftest.ok else "board.tile.selftest_not"
            rows.append((say("fleet.selftest"), say(key)))
    if room.link.refused:
        rows.append((say("fleet.refused"), room.link.refused))
    if room.link.journal_ok is False:
        rows.append((say("fleet.journal"), say("fleet.journal_bad")))
    if room.unreadable:
        rows.append((say("fleet.unreadable"), str(room.unreadable)))
    return tuple(rows)


def _record_text(room: RoomView) -> Text:
    if not room.as_of:
        return say("board.tile.never")
    return f"{local(datetime.fromisoformat(room.as_of)):%m-%d %H:%M:%S}"


def _devices(room: RoomView) -> tuple[DeviceRow, ...]:
    state = room.state
    if state is None:
        return ()
    looks = {
        "ok": State(Shape.OK, say("fleet.ok")),
        "lost": State(Shape.UNKNOWN, say("fleet.lost")),
    }
    rows = [
        DeviceRow(
            one.name,
            _numbered(one.kind, one.name),
            _as_told(room, looks.get(one.state, State(Shape.UNKNOWN, say("unknown")))),
            say(
                "fleet.since",
                age=age_text((state.mono_ms - one.since_ms) / 1000),
                reason=one.reason,
            )
            if one.state == "lost"
            else "",
        )
        for _, one in sorted(state.devices.items())
    ]
    for _, stream in sorted(state.streams.items()):
        shape = {"on": Shape.OK, "off": Shape.NONE}.get(stream.state, Shape.UNKNOWN)
        word = {"on": "av.on", "off": "av.off", "fault": "av.fault"}.get(stream.state, "unknown")
        note = say("fleet.stream", n=stream.segments, gaps=stream.gaps)
        kind = say("fleet.kind.n", kind=say("fleet.kind.stream"), n=stream_text(stream.name))
        rows.append(DeviceRow(stream.name, kind, _as_told(room, State(shape, say(word))), note))
    return tuple(rows)


def _as_told(room: RoomView, state: State) -> State:
    """What a silent room last said of a device is not how it is."""
    if room.link.reachable is True:
        return state
    return State(Shape.UNKNOWN, say("last_known", text=state.text))


def _numbered(kind: str, name: str) -> Text:
    """`人体雷达 2`: the kind in words with the number its name ends in."""
    number = re.search(r"\d{1,3}$", name)
    if number is None:
        return kind_text(kind)
    return say("fleet.kind.n", kind=kind_text(kind), n=number.group())


def kind_text(kind: str) -> Text:
    """A device's kind in words; an unknown driver's word as it stands."""
    return say(f"fleet.kind.{kind}") if catalogue().has(f"fleet.kind.{kind}") else kind


@dataclass(frozen=True, slots=True)
class Reading:
    """What of the page is the reader's own: the organisation, and whether releasing is his."""

    org: str = ""
    may_release: bool = False


def devices_view(
    rooms: Sequence[RoomView],
    names: Mapping[str, Both],
    now: datetime,
    *,
    reading: Reading | None = None,
    sent: Mapping[str, tuple[SentCommand, ...]] | None = None,
) -> DevicesView:
    """The page: rooms by organisation.

    Args:
        rooms: what the reader may see.
        names: organisation -> its name.
        now: the hub's wall time.
        reading: who reads; nobody may act without.
        sent: controller -> its newest commands.
    """
    own = reading or Reading()
    made = tuple(
        RoomHealth(
            ctl=room.ctl,
            name=say("board.place", org=names.get(room.org, room.org), room=room_text(room.name)),
            link=link_state(room),
            facts=_facts(room),
            devices=_devices(room),
            old=room.link.reachable is not True,
            told=told_view(room.told, now),
            alarms=len(room.alarms),
            held=room.held,
            may_release=room.held and own.may_release and room.org == own.org,
            commands=command_rows((sent or {}).get(room.ctl, ())),
        )
        for room in rooms
    )
    online = sum(room.link.reachable is True for room in rooms)
    return DevicesView(now, made, say("fleet.summary", online=online, all=len(made)))
