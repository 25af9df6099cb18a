"""Rows that are decoded once: each time asked for the same event, or the same refusal."""

from __future__ import annotations

import pytest

from hub.decoded import LINE_BYTES_MAX, ROWS_KEPT, decoded
from protocols.messages.errors import RemoteError
from protocols.messages.event import Event, decode_event, encode_event, first_prev


def _line(seq: int, note: str = "") -> bytes:
    return encode_event(
        Event(
            v=1,
            ctl="c-0123456789ab",
            epoch="0" * 32,
            seq=seq,
            prev=first_prev(),
            session="",
            boot="b",
            mono_ms=1,
            at="2026-11-23T09:00:00.000Z",
            at_trust="ntp",
            type="note",
            data={"note": note},
        )
    )


@pytest.mark.parametrize("note", ["", "长" * LINE_BYTES_MAX])
def test_a_row_says_the_same_each_time(note: str) -> None:
    line = _line(1, note)
    assert decoded(line) == decoded(line) == decode_event(line)


def test_more_rows_than_are_kept_are_still_decoded() -> None:
    lines = [_line(seq) for seq in range(1, ROWS_KEPT + 3)]
    assert [decoded(line).seq for line in (*lines, lines[0])] == [*range(1, ROWS_KEPT + 3), 1]


def test_a_row_that_cannot_be_read_is_refused_each_time() -> None:
    for _ in range(2):
        with pytest.raises(RemoteError, match="event"):
            decoded(b"{}")
