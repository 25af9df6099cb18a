"""Whose silence it is: a room's, or the hub's own."""

from __future__ import annotations

from hub.fleet.ears import (
    DEAF_MS,
    MISSED_MS,
    RETURN_MS,
    STALLED_MS,
    UNREACHABLE_MS,
    Ears,
    Heard,
    Sign,
)

NOBODY_ELSE = {"a": Sign(0, 0, living=True)}


def signs(**pongs: int | None) -> dict[str, Sign]:
    return {ctl: Sign(pong, 0, living=True) for ctl, pong in pongs.items()}


def looked(ears: Ears, heard: dict[str, Sign], from_ms: int, to_ms: int) -> list[Heard]:
    return [ears.look(heard, at) for at in range(from_ms, to_ms + 1, 1_000)]


def test_a_room_is_silent_after_fifteen_seconds_while_another_is_heard() -> None:
    ears = Ears()
    for at in range(0, UNREACHABLE_MS, 1_000):
        assert ears.look(signs(a=0, b=at), at).silent == ()
    assert ears.look(signs(a=0, b=UNREACHABLE_MS), UNREACHABLE_MS).silent == (("a", False),)


def test_when_nobody_is_heard_the_hub_is_deaf_before_any_room_is_silent() -> None:
    turns = looked(Ears(), signs(a=0, b=200), 0, UNREACHABLE_MS + 1_000)
    deaf_at = next(n for n, one in enumerate(turns) if one.turned)
    assert deaf_at * 1_000 == DEAF_MS + 1_000
    assert turns[-1].silent == (("a", True), ("b", True))


def test_who_was_missed_just_before_the_hub_hears_nothing_is_not_called_silent() -> None:
    """One pong lost, then the hub's line: fifteen seconds are over before it can say it is deaf."""
    turns = looked(Ears(), signs(a=0, b=7_000), 7_000, 7_000 + DEAF_MS)
    assert [one.turned for one in turns if one.turned is not None] == [True]
    assert [own for one in turns for _, own in one.silent] == [True]


def test_who_is_silent_when_another_is_heard_again_is_silent_itself() -> None:
    ears = Ears()
    waited = looked(ears, signs(a=0, b=7_000), 7_000, 16_000)
    assert [one.silent for one in waited if one.silent] == []
    assert ears.look(signs(a=0, b=16_500), 17_000).silent == (("a", False),)


def test_a_pong_that_is_late_delays_no_verdict() -> None:
    late = UNREACHABLE_MS - MISSED_MS
    assert Ears().look(signs(a=0, b=late), UNREACHABLE_MS).silent == (("a", False),)


def test_one_room_alone_is_silent_itself() -> None:
    turns = looked(Ears(), NOBODY_ELSE, 0, UNREACHABLE_MS)
    assert [one.turned for one in turns if one.turned] == []
    assert turns[-1].silent == (("a", False),)


def test_after_deafness_rooms_have_time_to_come_back_and_who_does_not_is_silent() -> None:
    ears = Ears()
    looked(ears, signs(a=0, b=0), 0, 30_000)
    back = looked(ears, signs(a=30_500, b=0), 31_000, 31_000)
    assert (back[0].turned, back[0].silent) == (False, (("b", True),))
    for at in range(32_000, 31_000 + RETURN_MS, 1_000):
        assert ears.look(signs(a=at, b=0), at).silent == (("b", True),)
    end = 31_000 + RETURN_MS
    assert ears.look(signs(a=end, b=0), end).silent == (("b", False),)


def test_who_came_back_and_falls_silent_again_is_not_excused() -> None:
    ears = Ears()
    looked(ears, signs(a=0, b=0), 0, 30_000)
    looked(ears, signs(a=30_500, b=31_000), 31_000, 31_000)
    found = [ears.look(signs(a=at, b=31_000), at) for at in range(32_000, 47_000, 1_000)]
    assert found[-1].silent == (("b", False),)


def test_a_program_that_was_stopped_has_not_listened() -> None:
    ears = Ears()
    ears.look(signs(a=0, b=0), 0)
    paused = ears.look(signs(a=0, b=0), 60_000)
    assert (paused.stopped_ms, paused.silent, paused.turned) == (60_000, (), None)
    assert ears.look(signs(a=0, b=0), 60_000 + STALLED_MS - 1).stopped_ms == 0
