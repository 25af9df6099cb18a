"""A disk is called low before it is full, once, and enough again only with a margin."""

from __future__ import annotations

from edge.space import ENOUGH_BYTES, LOW_BYTES, SpaceProbe, reading


def test_each_change_is_told_once() -> None:
    free, told = [LOW_BYTES], list[bool]()
    probe = SpaceProbe(lambda: free[0], told.append)
    for free[0] in (LOW_BYTES, LOW_BYTES - 1, LOW_BYTES, ENOUGH_BYTES - 1, ENOUGH_BYTES):
        probe.look()
    assert told == [True, False, True]


def test_a_disk_that_does_not_answer_is_low_until_it_does() -> None:
    answers: list[int | OSError] = []
    told: list[bool] = []

    def free() -> int:
        answer = answers.pop()
        if isinstance(answer, OSError):
            raise answer
        return answer

    probe = SpaceProbe(free, told.append)
    for answers[:] in ([ENOUGH_BYTES], [OSError(5, "Input/output error")], [ENOUGH_BYTES]):
        probe.look()
    assert told == [True, False, True]


def test_the_room_hears_of_it_as_of_a_device() -> None:
    assert reading(enough=False) == {"device": "disk", "state": "lost", "reason": "disk_low"}
    assert reading(enough=True)["state"] == "back"
