"""Reads a room screen's data: the few places the script knows its shape."""

from __future__ import annotations

from typing import Any

State = dict[str, Any]


def session_of(state: State, session: str) -> State:
    """The session in a room's view; `{}` while the room does not know it."""
    found: State = next((one for one in state["sessions"] if one["id"] == session), {})
    return found


def phase(state: State, session: str) -> str:
    """The phase the room is in, '' for none."""
    return str(session_of(state, session).get("phase", ""))


def member(state: State, session: str, no: int) -> State:
    """One member in a room's view."""
    rows = session_of(state, session).get("members", [])
    found: State = next((one for one in rows if one["no"] == no), {})
    return found


def step(state: State, session: str, no: int) -> str:
    """How far a member has come."""
    return str(member(state, session, no).get("step", ""))


def is_away(state: State, session: str, no: int) -> bool:
    """Whether a member has left the seat with a record."""
    return bool(member(state, session, no).get("away"))


def locker(state: State, number: int) -> State:
    """One locker in a room's view."""
    found: State = next(one for one in state["lockers"] if one["locker"] == number)
    return found


def signed_all(state: State, session: str) -> bool:
    """Whether every member here has an outcome for each document, as this room knows it."""
    rows = session_of(state, session).get("members", [])
    return bool(rows) and all(all(one["documents"].values()) for one in rows)


def open_faults(state: State, kind: str) -> list[State]:
    """Faults of a kind that are not over."""
    return [one for one in state["faults"] if one["kind"] == kind and one["open"]]
