"""Controls of SECURITY.md that no other bank takes out: threats 7, 10, 11, 13 and 16 to 19."""

from __future__ import annotations

from typing import Final

from tests.mutants.planted import Planted

THREATS: Final = (
    Planted(
        "two roles of one person are two",
        "protocols/policy/gate.py",
        "one_person != other_person and one_role != other_role",
        "one_person != other_person or one_role != other_role",
        ("tests/protocols/policy/test_gate.py::test_two_roles_are_two_persons_in_two_roles",),
    ),
    Planted(
        "all rooms come back in one moment",
        "edge/pipe.py",
        "self._stop.wait(self.chance() * HURRY_S)",
        "self._stop.wait(0.0)",
        ("tests/edge/test_pipe.py::test_a_line_that_is_back_spreads_the_rooms_over_some_seconds",),
    ),
    Planted(
        "one room fills the queue of all",
        "hub/recording/waiting.py",
        "        if len(line) >= ROOM_MAX:\n            return False\n",
        "",
        (
            "tests/hub/recording/test_waiting.py::"
            "test_a_flood_takes_the_places_of_its_own_room_only",
        ),
    ),
    Planted(
        "a typed text may hold a person's number",
        "hub/free_text.py",
        "    if found is None:",
        "    if found is None or where:",
        (
            "tests/hub/api/test_free_text.py::"
            "test_every_typed_text_is_refused_with_a_number_of_a_person_and_never_repeated",
        ),
    ),
    Planted(
        "the verifier takes a link for a file",
        "protocols/evidence/verifier.py",
        "            elif is_link(name):",
        "            elif False:",
        ("tests/protocols/evidence/test_verifier.py::test_a_link_is_never_sound",),
    ),
    Planted(
        "a clip of another hash is kept",
        "hub/media/blobs.py",
        "if count != size or digest.hexdigest() != sha256:",
        "if count != size:",
        (
            "tests/hub/media/test_media.py::"
            "test_other_bytes_than_recorded_are_refused_and_leave_nothing",
        ),
    ),
    Planted(
        "a board's bytes are kept without end",
        "protocols/wire/framing.py",
        "                return start\n        return len(buffer)",
        "                return start\n        return at",
        ("tests/protocols/wire/test_framing.py::test_the_buffer_is_bounded_whatever_comes",),
    ),
    Planted(
        "options that cut the line off stay",
        "edge/remote.py",
        "            trial.revert()\n",
        "",
        (
            "tests/edge/test_remote.py::"
            "test_options_over_which_the_hub_does_not_answer_are_taken_back",
        ),
    ),
)
